/* Some kernels do not run tracing programs while a protected task is current: what a
 * softirq does on top of it is seen by no hook, and not counted as a miss either. Such a
 * task is switched to and never from, for it is current then. */
#pragma once

#include "socket.h"

static __always_inline void count_switch(struct task_struct *task, bool to)
{
	struct switches fresh = {}, *seen;
	__u32 tid = task->pid;

	if (!tid) /* each CPU's idle task */
		return;
	seen = bpf_map_lookup_elem(&switched_tasks, &tid);
	if (!seen) {
		bpf_probe_read_kernel(fresh.comm, sizeof(fresh.comm), &task->comm);
		bpf_map_update_elem(&switched_tasks, &tid, &fresh, BPF_NOEXIST);
		seen = bpf_map_lookup_elem(&switched_tasks, &tid);
		if (!seen)
			return;
	}
	__sync_fetch_and_add(to ? &seen->to : &seen->from, 1);
}
