/* The kernel does not run a tracing program on a CPU where it is running already
 * (bpf_prog_active, "recursion miss"): an event in a softirq that interrupts the hook of
 * another one would be lost. So the hooks that both contexts reach are attached twice.
 * The first instance handles every event it sees and marks it; the second one, called
 * right after it, finds the mark and goes, or finds none and handles the event. */
#pragma once

#include "maps.h"

enum twin {
	TWIN_STATE,
	TWIN_DESTROY,
};

static __always_inline void mark_handled(__u32 twin, struct sock *sk, __u32 what)
{
	struct handled *h = bpf_map_lookup_elem(&handled_events, &twin);

	if (!h)
		return;
	if (!h->sk[0]) {
		h->what[0] = what;
		h->sk[0] = (__u64)sk;
	} else {
		h->what[1] = what;
		h->sk[1] = (__u64)sk;
	}
}

static __always_inline bool was_handled(__u32 twin, struct sock *sk, __u32 what)
{
	struct handled *h = bpf_map_lookup_elem(&handled_events, &twin);

	if (!h)
		return true;
	if (h->sk[0] == (__u64)sk && h->what[0] == what) {
		h->sk[0] = 0;
		return true;
	}
	if (h->sk[1] == (__u64)sk && h->what[1] == what) {
		h->sk[1] = 0;
		return true;
	}
	__sync_fetch_and_add(&rescued, 1);
	return false;
}
