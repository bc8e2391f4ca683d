/* The life of a hold on a full socket: asked for, assigned, through states, released.
 *
 * A program and what it calls have 512 bytes of stack together (before 6.13); a hold takes
 * 208. What needs one and is rare is a function of its own, not called by another such. */
#pragma once

#include "tell.h"

/* Sockets nobody asked a port for, such as a listener's children, have no cookie
 * either: most are told apart by that load alone. */
static __always_inline struct life *life_at(__u64 cookie)
{
	struct life *life = cookie ? bpf_map_lookup_elem(&sockets, &cookie) : NULL;

	return life && life->phase != PHASE_OVER ? life : NULL;
}

static __always_inline struct life *life_of(struct sock *sk, bool btf)
{
	return life_at(id_of(sk, btf));
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
		search->of = low_half(sk) + now;
		search->began = now;
	}
}

/* How long the search for a port took, ~0 where that is not known. */
static __always_inline __u64 search_time(struct sock *sk, __u64 now)
{
	struct search *search = bpf_map_lookup_elem(&searches, &zero);

	__u64 began = search ? search->began : 0;

	return search && search->of - began == low_half(sk) ? now - began : ~0ULL;
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
