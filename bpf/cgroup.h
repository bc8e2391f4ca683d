/* Cgroups that live no longer than the process in them: who asks for the path of such a
 * one when its event is read, some milliseconds later, comes too late. */
#pragma once

#include "maps.h"

/* path is the kernel's, made for this tracepoint (TRACE_CGROUP_PATH). The default
 * hierarchy is number 0. */
static __always_inline void keep_path(struct cgroup *cgrp, const char *path)
{
	struct cgroup_key key = { .id = cgrp->kn->id, .hierarchy = cgrp->root->hierarchy_id };
	struct cgroup_path *kept;

	if (key.hierarchy && key.hierarchy != version1)
		return;
	bpf_map_update_elem(&gone_cgroups, &key, &no_path, BPF_ANY);
	kept = bpf_map_lookup_elem(&gone_cgroups, &key);
	if (kept)
		bpf_probe_read_kernel_str(kept->path, sizeof(kept->path), path);
}
