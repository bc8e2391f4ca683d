/* What goes to Go through the ring, and what is counted where it does not get there. */
#pragma once

#include "socket.h"

static __always_inline void lose(__u32 where)
{
	__sync_fetch_and_add(&losses[where], 1);
}

/* The hold moves to a state; the time in the one it leaves is added up. */
static __always_inline void enter(struct hold *h, __u8 state, __u64 now)
{
	__u32 was = h->state;

	barrier_var(was); /* older verifiers do not see that a copy is as bounded */
	if (was < STATES && now > h->since)
		h->in_state[was] += now - h->since;
	h->state = state;
	if (now > h->since)
		h->since = now;
}

/* Waking the reader is the dominant cost of an event: it looks by itself many times a
 * second, and is woken only as the ring passes ring_wake. */
static __always_inline __u64 wake_flag(void)
{
	__u64 waiting = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);

	return waiting - ring_wake < 8 * sizeof(struct event) ? BPF_RB_FORCE_WAKEUP
							     : BPF_RB_NO_WAKEUP;
}

/* Its place among the events is taken here. NULL: there is no room, which is counted. */
static __always_inline struct event *reserve(void)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		lose(LOSS_RING);
	return e;
}

/* tw_since: when the mini-socket went from FIN_WAIT2 to TIME_WAIT unseen, else 0. */
static __always_inline void fill(struct event *e, __u8 kind, __u8 reason, __u64 now,
				 const struct hold *h, __u64 tw_since)
{
	e->time = now;
	e->hold = *h;
	if (tw_since)
		enter(&e->hold, STATE_TIME_WAIT, tw_since);
	enter(&e->hold, e->hold.state, now);
	e->range_lo = 0;
	e->range_hi = 0;
	e->error = 0;
	e->kind = kind;
	e->reason = reason;
}

static __always_inline void submit(struct event *e)
{
	bpf_ringbuf_submit(e, wake_flag());
}

static __always_inline void discard(struct event *e)
{
	bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
}

static __always_inline void emit_tw(__u8 kind, __u8 reason, __u64 now, const struct hold *h,
				    __u64 tw_since)
{
	struct event *e = reserve();

	if (!e)
		return;
	fill(e, kind, reason, now, h, tw_since);
	submit(e);
}

static __always_inline void emit(__u8 kind, __u8 reason, __u64 now, const struct hold *h)
{
	emit_tw(kind, reason, now, h, 0);
}

/* range: what the socket itself narrows the search to (read_socket_range). */
static __always_inline void emit_failure(__u64 now, const struct hold *h, __u32 range, __u16 error)
{
	struct event *e = reserve();

	if (!e)
		return;
	e->time = now;
	e->hold = *h;
	e->range_lo = range & 0xffff;
	e->range_hi = range >> 16;
	e->error = error;
	e->kind = KIND_FAILURE;
	e->reason = REASON_NONE;
	submit(e);
}
