/* The life of a hold on a full socket: asked for, assigned, through states, released.
 *
 * A program and what it calls have 512 bytes of stack together (before 6.13); a hold takes
 * 208. What needs one and is rare is a function of its own, not called by another such. */
#pragma once

#include "socket.h"

static __always_inline void lose(__u32 where)
{
	__sync_fetch_and_add(&losses[where], 1);
}

/* Sockets nobody asked a port for, such as a listener's children, have no cookie
 * either: most are told apart by that load alone. */
static __always_inline struct life *life_of(struct sock *sk, bool btf)
{
	__u64 cookie = id_of(sk, btf);
	struct life *life = cookie ? bpf_map_lookup_elem(&sockets, &cookie) : NULL;

	return life && life->phase != PHASE_OVER ? life : NULL;
}

/* With BPF_NOEXIST only if nobody else has remembered that socket. */
static __always_inline bool remember_if(const struct life *life, __u64 flags)
{
	__u64 cookie = life->hold.cookie;
	long error = bpf_map_update_elem(&sockets, &cookie, life, flags);

	if (error && error != -EEXIST)
		lose(LOSS_MAP);
	return !error;
}

static __always_inline bool remember(const struct life *life)
{
	return remember_if(life, BPF_ANY);
}

/* life is not to be touched after this. */
static __always_inline void forget(const struct life *life)
{
	__u64 cookie = life->hold.cookie;

	bpf_map_delete_elem(&sockets, &cookie);
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
static __always_inline void submit(struct event *e, __u8 kind, __u8 reason, __u64 now,
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
	bpf_ringbuf_submit(e, wake_flag());
}

static __always_inline void emit_tw(__u8 kind, __u8 reason, __u64 now, const struct hold *h,
				    __u64 tw_since)
{
	struct event *e = reserve();

	if (e)
		submit(e, kind, reason, now, h, tw_since);
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
	bpf_ringbuf_submit(e, wake_flag());
}

static __always_inline void change(struct life *life, __u8 state, __u64 now)
{
	if (life->hold.state == state)
		return;
	enter(&life->hold, state, now);
	if (want_states)
		emit(KIND_STATE, REASON_NONE, now, &life->hold);
}

static __always_inline void search_begins(struct sock *sk, __u64 now)
{
	struct search *search = bpf_map_lookup_elem(&searches, &zero);

	if (search) {
		search->sk = (__u64)sk;
		search->began = now;
	}
}

/* How long the search for a port took, ~0 where that is not known. */
static __always_inline __u64 search_time(struct sock *sk, __u64 now)
{
	struct search *search = bpf_map_lookup_elem(&searches, &zero);

	return search && search->sk == (__u64)address_of(sk) ? now - search->began : ~0ULL;
}

static __always_inline bool wants_hold(const struct hold *h)
{
	return wants_proto(h->proto) && wants_netns(h->netns) && wants_family(h);
}

/* Fills in a new life, in zeroed memory. The owner is who asked for the port in an
 * earlier hook, if one did; else the current task. */
static __always_inline void begin(struct life *life, const struct life *asked, struct sock *sk,
				  bool btf, __u8 path, __u8 state, __u64 cookie, __u64 assigned)
{
	struct hold *h = &life->hold;

	life->sk = (__u64)sk;
	if (asked)
		h->owner = asked->hold.owner;
	else
		read_current(&h->owner);
	h->cookie = cookie;
	h->born = assigned;
	h->assigned = assigned;
	h->since = assigned;
	h->search = ~0ULL;
	h->path = path;
	h->state = state;
	read_socket(h, sk, btf);
}

/* The new hold is one to follow: tells it and remembers it. */
static __always_inline void assign_if(struct life *life, __u64 flags)
{
	life->phase = PHASE_HELD;
	life->asked = 0;
	if (remember_if(life, flags))
		emit(KIND_ASSIGN, REASON_NONE, life->hold.assigned, &life->hold);
}

static __always_inline void assign(struct life *life)
{
	assign_if(life, BPF_ANY);
}

/* From one phase to another, of those who try at the same moment one. */
static __always_inline bool advance(struct life *life, __u32 from, __u32 to)
{
	struct claim claim = {
		.cookie = life->hold.cookie,
		.born = life->hold.born ?: life->asked,
		.phase = to,
	};
	__u8 yes = 1;
	bool won;

	if (life->phase != from || bpf_map_update_elem(&claims, &claim, &yes, BPF_NOEXIST))
		return false;
	won = life->phase == from;
	if (won)
		life->phase = to;
	bpf_map_delete_elem(&claims, &claim);
	return won;
}

/* A hook and an iterator may find the port that was asked for at the same moment, and a
 * third sees it go: one tells of the assignment. */
static __always_inline bool claim(struct life *asked)
{
	return advance(asked, PHASE_CONNECTING, PHASE_CLAIMED);
}

/* A hook and an iterator may find the hold of a UDP socket over at the same moment: one
 * tells. The entry stays, for only the socket's own hooks know that no other has taken its
 * place. */
static __always_inline void finish(struct life *life, __u8 reason, __u64 now)
{
	if (advance(life, PHASE_HELD, PHASE_OVER))
		emit(KIND_RELEASE, reason, now, &life->hold);
}

static __always_inline void release(struct life *life, __u8 reason, __u64 now)
{
	emit(KIND_RELEASE, reason, now, &life->hold);
	forget(life);
}

/* Another program has refused this call: those of child cgroups run before ours, and so
 * do those attached to the root before us (compute_effective_progs). */
static __always_inline bool is_refused(void)
{
	return sees_refusals && bpf_get_retval() < 0;
}

/* The life of a socket that has the port num now. UDP gives its port up in
 * connect(AF_UNSPEC), which no hook of the stable set sees: a hold of another port is over. */
static __always_inline struct life *current_life(struct sock *sk, bool btf, __u16 num, __u64 now)
{
	struct life *life = life_of(sk, btf);

	if (exact || !life || life->phase != PHASE_HELD || life->hold.port == num)
		return life;
	finish(life, REASON_DISCONNECTED, now);
	return NULL;
}

/* A port was asked for: remember who and when until a later hook sees the number.
 * life is zeroed memory. */
static __always_inline void ask(struct life *life, struct sock *sk, __u32 phase, __u64 cookie,
				__u8 path, __u64 now)
{
	life->sk = (__u64)sk;
	read_current(&life->hold.owner);
	life->hold.cookie = cookie;
	life->hold.path = path;
	life->asked = now;
	life->phase = phase;
}

/* Nothing came of it: the kernel found no port. When is known, the errno is the one
 * the kernel gives on that path. */
static __always_inline void fail(struct life *life, struct sock *sk, bool btf, __u16 error)
{
	struct hold *h = &life->hold;
	__u8 src[sizeof(h->src)];

	/* bind() that failed has wiped the address that it was asked for */
	__builtin_memcpy(src, h->src, sizeof(src));
	read_socket(h, sk, btf);
	if (life->phase == PHASE_BINDING)
		__builtin_memcpy(h->src, src, sizeof(src));
	h->search = ~0ULL;
	h->port = 0; /* it may have found one since */
	h->dst_port = 0;
	if (wants_hold(h))
		emit_failure(life->asked, h, read_socket_range(sk), error);
	forget(life);
}

/* A socket does something else after a bind(0): if that got no port, now is the time to
 * tell. life is not to be touched after this. */
static __always_inline void drop_question(struct life *life, struct sock *sk, bool btf)
{
	if (life->phase == PHASE_BINDING)
		fail(life, sk, btf, EADDRINUSE);
	else
		forget(life);
}

/* enum state of a TCP state; SYN_RECV on a connecting socket is a simultaneous open */
static __always_inline __u8 state_of(int tcp_state)
{
	switch (tcp_state) {
	case TCP_ESTABLISHED:
		return STATE_ESTABLISHED;
	case TCP_SYN_SENT:
	case TCP_SYN_RECV:
		return STATE_SYN_SENT;
	case TCP_FIN_WAIT1:
		return STATE_FIN_WAIT1;
	case TCP_FIN_WAIT2:
		return STATE_FIN_WAIT2;
	case TCP_TIME_WAIT:
		return STATE_TIME_WAIT;
	case TCP_CLOSE_WAIT:
		return STATE_CLOSE_WAIT;
	case TCP_LAST_ACK:
		return STATE_LAST_ACK;
	case TCP_LISTEN:
		return STATE_LISTEN;
	case TCP_CLOSING:
		return STATE_CLOSING;
	default:
		return STATE_BOUND;
	}
}

/* Why a socket went to TCP_CLOSE, from what tcp_reset(), tcp_write_err(),
 * __tcp_close() and tcp_disconnect() leave in it before tcp_set_state(). */
static __always_inline __u8 reason_of(struct sock *sk, int old)
{
	switch (sk->sk_err) {
	case 0:
		break;
	case ECONNREFUSED:
		return REASON_REFUSED;
	case ETIMEDOUT:
		return REASON_TIMED_OUT;
	case ECONNRESET:
	case ECONNABORTED:
	case 32: /* EPIPE: RST in CLOSE_WAIT */
		return REASON_RESET;
	default:
		return REASON_UNREACHABLE;
	}
	if (old == TCP_LISTEN && is_subflow(sk)) /* mptcp_check_listen_stop() shuts nothing down */
		return REASON_CLOSED;
	if (sk->sk_shutdown != SHUTDOWN_MASK) /* not closed: connect(AF_UNSPEC), shutdown */
		return old == TCP_SYN_SENT && !syn_left(sk)
			? REASON_ABORTED : REASON_DISCONNECTED;
	switch (old) {
	case TCP_SYN_SENT:
		return REASON_ABORTED;
	case TCP_SYN_RECV:
	case TCP_ESTABLISHED:
	case TCP_CLOSE_WAIT:
		return REASON_RESET; /* unread data or SO_LINGER 0: we sent the RST */
	default:
		return REASON_CLOSED;
	}
}

/* UDP changes sk_state and its own address without telling: whether connect() or
 * disconnect() worked, and which address it chose, is seen by looking, where no hook sees
 * it return. */
static __always_inline bool settle_udp(struct hold *h, struct sock *sk, bool btf)
{
	__u8 src[sizeof(h->src)];
	bool changed = false;

	if (exact)
		return false;
	if (h->state == STATE_ESTABLISHED && READ(&sk->__sk_common, skc_state) != TCP_ESTABLISHED) {
		h->in_state[STATE_BOUND] += h->in_state[STATE_ESTABLISHED];
		h->in_state[STATE_ESTABLISHED] = 0;
		h->state = STATE_BOUND;
		h->dst_port = 0;
		changed = true;
	}
	__builtin_memcpy(src, h->src, sizeof(src));
	read_src(h, &sk->__sk_common, btf);
	return changed || __builtin_memcmp(src, h->src, sizeof(src));
}
