/* The kernel does not run a tracing program on a CPU where it is running already
 * (bpf_prog_active, "recursion miss"): an event in a softirq that interrupts the hook of
 * another one would be lost. So the hooks that both contexts reach are attached twice.
 * The first instance marks every event that it is called for; the second one, called
 * right after it, finds the mark and goes, or finds none and handles the event.
 *
 * The marks of a CPU are a stack, as the events that interrupt each other are: the
 * interrupting one is over before the other goes on.
 *
 * This is the stable set's way; calls.h has that of the fentry set. */
#pragma once

#include "maps.h"

/* A mark stays behind when its event interrupts the second instance of another one that
 * is past drop_marks(): its own one is skipped. One softirq leaves many in a row. */

/* In jiffies, a tenth of a second or more: no event takes so long. */
#define STALE_MARK 100

/* Less than any kernel stack has (THREAD_SIZE, IRQ_STACK_SIZE). */
#define SAME_STACK 8192

/* An index as the verifier wants it; the compiler would leave the mask out. */
static __always_inline __u32 bounded(__u32 at)
{
	barrier_var(at);
	return at & (NESTED - 1);
}

/* Whether the event of a mark must be over: it is old, or ours runs where its frame was. */
static __always_inline bool is_left_behind(struct mark *m, __u64 frame, __u32 now)
{
	return now - m->at > STALE_MARK || frame - m->frame < SAME_STACK;
}

static __always_inline void mark_handled(enum twin twin, void *ctx, struct sock *sk, __u32 what)
{
	__u32 now = (__u32)bpf_jiffies64(), at;
	struct handled *h;
	struct mark *m;
	__u64 frame;

	if (twins == TWINS_APART)
		return;
	h = bpf_map_lookup_elem(&handled_events, &twin);
	if (!h)
		return;
	/* The arguments lie on the stack (bpf_trace_run). The verifier allows no arithmetic
	 * with their address before it has been somewhere else. */
	*(volatile __u64 *)&h->frame = (__u64)ctx;
	frame = *(volatile __u64 *)&h->frame;
	at = h->depth;
	for (int i = 0; i < NESTED; i++) {
		if (!at || !is_left_behind(&h->marks[bounded(at - 1)], frame, now))
			break;
		at--;
	}
	if (at >= NESTED)
		at = NESTED - 1;
	h->depth = at + 1; /* first: who interrupts us here goes on top */
	m = &h->marks[bounded(at)];
	m->sk = (__u64)sk;
	m->frame = frame;
	m->what = what;
	m->at = now;
}

/* The second instance begins: whether the first one had the event. base is for
 * drop_marks() as it ends. */
static __always_inline bool was_handled(enum twin twin, struct sock *sk, __u32 what, __u32 *base)
{
	struct handled *h;
	__u32 at;

	*base = 0;
	if (twins == TWINS_APART)
		return true;
	h = bpf_map_lookup_elem(&handled_events, &twin);
	if (!h)
		return true;
	at = *base = h->depth;
	for (int i = 0; i < NESTED; i++) {
		if (!at--)
			break;
		if (h->marks[bounded(at)].sk == (__u64)sk && h->marks[bounded(at)].what == what) {
			*base = at;
			return true;
		}
	}
	if (twins != TWINS_TOGETHER)
		return true;
	__sync_fetch_and_add(&rescued[twin & (TWINS - 1)], 1);
	return false;
}

/* An event that interrupts the second instance leaves its mark behind, for its own
 * second instance is skipped then. */
static __always_inline void drop_marks(enum twin twin, __u32 base)
{
	struct handled *h = bpf_map_lookup_elem(&handled_events, &twin);

	if (h)
		h->depth = base;
}
