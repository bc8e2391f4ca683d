/* What more than one may find at the same moment: the hooks of a socket, and the iterators. A
 * lock in the hold says who tells. The fentry set, which leaves nothing to iterators, takes
 * none: kernels before 5.15 give tracing programs no locks (bpf_tracing_func_proto). */
#pragma once

#include "hold.h"

/* What tells a life from all others of its socket, past and to come. */
static __always_inline __u64 began(const struct life *life)
{
	__u64 at = life->hold.born ?: life->asked;

	barrier(); /* what is read of it after this is of this life, if that is still there in the end */
	return at;
}

/* Whether the entry is in that phase still, and of that life of that socket: the memory of
 * a deleted one is another's at once (bpf_mem_cache_free), under the feet of whoever has
 * looked it up. Under the lock, and only for lives that leave the phase under it, too. */
static __always_inline bool is_still(const struct life *life, __u64 cookie, __u64 at, __u32 phase)
{
	const volatile struct life *l = life;

	return l->phase == phase && l->hold.cookie == cookie &&
	       (l->hold.born ?: l->asked) == at;
}

/* From one phase to another: of those who try at the same moment one does. Hooks and
 * iterators find the same port taken, or gone, at the same moment. */
static __always_inline bool advance(struct life *life, __u64 cookie, __u64 at, __u32 from, __u32 to)
{
	bool won;

	bpf_spin_lock(&life->lock);
	won = is_still(life, cookie, at, from);
	if (won)
		life->phase = to;
	bpf_spin_unlock(&life->lock);
	return won;
}

/* The hold of a UDP socket is over. The entry stays, for only the socket's own hooks know
 * that no other has taken its place, which one may do as soon as the hold is no more. */
static __always_inline void finish(struct life *life, __u64 cookie, __u64 at, __u8 reason, __u64 now)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		if (advance(life, cookie, at, PHASE_HELD, PHASE_OVER))
			lose(LOSS_RING);
		return;
	}
	fill(e, KIND_RELEASE, reason, now, &life->hold, 0);
	if (advance(life, cookie, at, PHASE_HELD, PHASE_OVER))
		submit(e);
	else
		discard(e);
}

/* The life of a socket that has the port num now. UDP gives its port up in
 * connect(AF_UNSPEC), which no hook of the stable set sees: a hold of another port is over. */
static __always_inline struct life *current_life(struct sock *sk, bool btf, __u16 num, __u64 now)
{
	__u64 cookie = id_of(sk, btf), at;
	struct life *life = life_at(cookie);

	if (exact || !life)
		return life;
	at = began(life);
	if (life->phase != PHASE_HELD || life->hold.port == num)
		return life;
	finish(life, cookie, at, REASON_DISCONNECTED, now);
	return NULL;
}

/* UDP changes sk_state and its own address without telling: whether connect() or
 * disconnect() worked, and which address it chose, is seen by looking, where no hook sees
 * it return. */
static __always_inline bool settle_udp(struct life *life, __u64 cookie, __u64 at, struct sock *sk,
				       bool btf)
{
	struct hold *h = &life->hold;
	bool left, moved, settled = false;
	__u8 src[sizeof(h->src)];

	if (exact)
		return false;
	left = READ(&sk->__sk_common, skc_state) != TCP_ESTABLISHED;
	read_local(src, &sk->__sk_common, btf);
	bpf_spin_lock(&life->lock);
	if (is_still(life, cookie, at, PHASE_HELD)) {
		left = left && h->state == STATE_ESTABLISHED;
		if (left) {
			h->in_state[STATE_BOUND] += h->in_state[STATE_ESTABLISHED];
			h->in_state[STATE_ESTABLISHED] = 0;
			h->state = STATE_BOUND;
			h->dst_port = 0;
		}
		moved = __builtin_memcmp(src, h->src, sizeof(src));
		__builtin_memcpy(h->src, src, sizeof(src));
		settled = left || moved;
	}
	bpf_spin_unlock(&life->lock);
	return settled;
}
