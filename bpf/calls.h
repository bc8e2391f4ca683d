/* Like those that nested.h tells of, the hooks of the fentry set are attached twice, all of
 * them: where RCU is preemptible, tasks preempt each other in hooks, too, and the kernel
 * skips what the second task brings.
 *
 * Tasks go on in any order and on any CPU, so each call has a mark of its own, at the place
 * of its stack: where its arguments lie there, which both instances are given, and what it
 * is about. A stack has one call at a time between its two instances, as softirqs have
 * stacks of their own. A mark that stays behind, for the second instance was skipped, is
 * overwritten by the next. Where both are skipped, as two other tasks are in one each, the
 * first has missed one more than were rescued, which is counted. Without a mark a call
 * would be told twice: stacks would have to be 4 GiB apart, and in use at the same instant. */
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
	__sync_fetch_and_add(&rescued[TWIN_CALL], 1);
	return false;
}
