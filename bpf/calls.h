/* The kernel does not run a tracing program on a CPU where it is at work already
 * (prog->active, "recursion miss"): what a softirq brings that interrupts a hook would be
 * lost to the same hook, and where RCU is preemptible what a task brings that preempts
 * another in it. So hooks that this can happen to are attached twice. The first instance
 * leaves a mark for each call, the second one, run right after it, finds it and goes, or
 * finds none and does the first one's work.
 *
 * Tasks go on in any order and on any CPU, so each call has a mark of its own, at the place
 * of its stack: where its arguments lie there, which both instances are given, and what it
 * is about. A stack has one call at a time between its two instances, as softirqs have
 * stacks of their own (arm64: since 6.1; before, one may have the call that it interrupts
 * told twice). A mark that stays behind, for the second instance
 * was skipped, is overwritten by the next. Where both are skipped, as others are at work in
 * each, the first has missed one more than were rescued, which is counted. Without a mark a
 * call would be told twice: stacks would have to be 4 GiB apart, and in use at the same
 * instant. */
#pragma once

#include "socket.h"

static __always_inline __u32 *mark_at(__u32 frame)
{
	__u32 place = (frame >> CALL_PLACE) * 0x9e3779b1 & (CALL_PLACES - 1); /* not side by side */

	return bpf_map_lookup_elem(&calls, &place);
}

/* Never 0. hook is any number of its own. */
static __always_inline __u32 mark_of(__u32 frame, __u32 hook, const void *about, __u32 what)
{
	__u32 hash = ((low_half(about) ^ what << 16) + hook) * 0x9e3779b1;

	return frame << (32 - CALL_PLACE) | hash >> (CALL_PLACE - 3) | 1;
}

static __always_inline void mark_call(void *ctx, __u32 hook, const void *about, __u32 what)
{
	__u32 frame = low_half(ctx), *mark = mark_at(frame);

	if (mark)
		*mark = mark_of(frame, hook, about, what);
}

/* The second instance: whether the first one had the call. */
static __always_inline bool was_had(void *ctx, __u32 hook, const void *about, __u32 what)
{
	__u32 frame = low_half(ctx), *mark = mark_at(frame);

	if (!mark)
		return true;
	if (*mark == mark_of(frame, hook, about, what)) {
		*mark = 0;
		return true;
	}
	__sync_fetch_and_add(&rescued, 1);
	return false;
}

/* Both instances of a hook. about: what a call of it is known by, and a number; the mark comes
 * before anything is left out, for what the kernel skips is counted whatever it is. */
#define SEC_TWINS(section, name, work, about, what, arguments...)  \
	SEC(section)                                               \
	int BPF_PROG(name, arguments)                              \
	{                                                          \
		mark_call(ctx, __LINE__, about, what);             \
		work;                                              \
		return 0;                                          \
	}                                                          \
	SEC(section)                                               \
	int BPF_PROG(name##_nested, arguments)                     \
	{                                                          \
		if (!was_had(ctx, __LINE__, about, what))          \
			work;                                      \
		return 0;                                          \
	}
