/* Cgroups that live no longer than the process in them: who asks for the path of such a
 * one when its event is read, some milliseconds later, comes too late. */
#pragma once

#include "maps.h"

/* path is the kernel's, made for this tracepoint (TRACE_CGROUP_PATH). Hierarchies number
 * their cgroups each by itself: only the default one counts. */
static __always_inline void keep_path(struct cgroup *cgrp, const char *path)
{
	__u64 id = cgrp->kn->id;
	struct cgroup_path *kept;

	if (cgrp->root->hierarchy_id)
		return;
	bpf_map_update_elem(&gone_cgroups, &id, &no_path, BPF_ANY);
	kept = bpf_map_lookup_elem(&gone_cgroups, &id);
	if (kept)
		bpf_probe_read_kernel_str(kept->path, sizeof(kept->path), path);
}
