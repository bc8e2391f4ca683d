/* The fentry set's half that ends holds: sockets and mini-sockets leave the bind table. */
#pragma once

#include "release.h"
#include "search.h"

/* A state of a socket that holds a port, as in the stable set; a release is none here. */
static __always_inline void port_state(struct sock *sk, int old, int new)
{
	struct life *life;
	__u64 now;

	if (sk->sk_protocol != IPPROTO_TCP || is_birth(old, new))
		return;
	if (new == TCP_SYN_SENT) { /* inet_hash_connect() comes next */
		now = bpf_ktime_get_boot_ns();
		life = life_before_connect(sk, now);
		if (life && life->phase == PHASE_HELD)
			reconnecting(sk, life, now);
		else
			search_begins(sk, now);
		return;
	}
	life = life_of(sk, true);
	if (!life || life->phase != PHASE_HELD)
		return;
	now = bpf_ktime_get_boot_ns();
	/* only a port that the program asked for is still held then */
	if (new == TCP_CLOSE && sk->sk_shutdown == SHUTDOWN_MASK)
		life->reason = reason_of(sk, old);
	change(life, state_of(new), now);
}

/* The socket that leaves is not the last that has the port: its mini-socket stays. */
static __always_inline void leave_to_tw(struct life *life, struct sock *sk)
{
	struct tw_key key = {};
	struct tw_life *tw;

	key.cookie = life->hold.cookie;
	if (by_address)
		key.cookie = life->tw;
	key.hash = sk->__sk_common.skc_hash;
	key.port = life->hold.port;
	key.dst_port = life->hold.dst_port;
	tw = bpf_map_lookup_elem(&time_waits, &key);
	if (tw)
		tw->shared = 0;
	else
		emit(KIND_RELEASE, REASON_CLOSED, bpf_ktime_get_boot_ns(), &life->hold);
}

/* inet_put_port(): from tcp_set_state(TCP_CLOSE), with the state before and whatever ended
 * it still in the socket, or, for a port that the program asked for, as the socket is
 * destroyed. */
static __always_inline void port_put(struct sock *sk)
{
	struct life *life = life_of(sk, true);
	int state;

	if (!life)
		return;
	switch (life->phase) {
	case PHASE_HELD:
		state = sk->__sk_common.skc_state;
		release(life, state == TCP_CLOSE ? life->reason ?: REASON_CLOSED : reason_of(sk, state),
			bpf_ktime_get_boot_ns());
		return;
	case PHASE_SHARED:
		leave_to_tw(life, sk);
		break;
	}
	forget(life);
}

/* udp_lib_unhash(): close(), connect(AF_UNSPEC), or udp_abort() (SOCK_DESTROY). */
static __always_inline int udp_put(struct sock *sk)
{
	struct life *life = life_of(sk, true);
	__u8 reason = REASON_CLOSED;

	if (!life)
		return 0;
	if (sk->sk_err == ECONNABORTED)
		reason = REASON_RESET;
	else if (udp_call_of(sk) == PATH_UDP_CONNECT)
		reason = REASON_DISCONNECTED;
	if (life->phase == PHASE_CLAIMED)
		emit(KIND_ASSIGN, REASON_NONE, life->hold.assigned, &life->hold);
	release(life, reason, bpf_ktime_get_boot_ns());
	return 0;
}

/* inet_twsk_hashdance(): the mini-socket joins the bind bucket and carries the hold on;
 * its socket leaves right after. */
static __always_inline void tw_birth(struct inet_timewait_sock *tw, struct sock *sk)
{
	struct life *life = life_of(sk, true);
	struct tw_life fresh = {};
	struct tw_key key = {};
	__u64 now;

	if (!life)
		note_stranger(sk);
	if (!life || life->phase != PHASE_HELD || !read_tw_key(&key, tw))
		return;
	now = bpf_ktime_get_boot_ns();
	fresh.tw = (__u64)tw;
	fresh.claimed = 1;
	fresh.shared = is_explicit(sk, true);
	change(life, read_substate(tw), now);
	fresh.hold = life->hold;
	if (bpf_map_update_elem(&time_waits, &key, &fresh, BPF_ANY)) {
		lose(LOSS_MAP);
		return;
	}
	if (fresh.shared) {
		life->tw = fresh.tw;
		life->phase = PHASE_SHARED;
	} else {
		forget(life);
	}
}

static __always_inline struct tw_life *tw_life_of(struct inet_timewait_sock *tw, struct tw_key *key)
{
	return read_tw_key(key, tw) ? bpf_map_lookup_elem(&time_waits, key) : NULL;
}

/* __inet_twsk_schedule(): when rearmed, the peer's FIN may have made FIN_WAIT2 a TIME_WAIT. */
static __always_inline void tw_scheduled(struct inet_timewait_sock *tw, bool rearm)
{
	struct tw_key key = {};
	struct tw_life *life = rearm ? tw_life_of(tw, &key) : NULL;
	struct life *shared;
	__u64 now, cookie;
	__u8 state;

	if (!life)
		return;
	state = read_substate(tw);
	if (life->hold.state == state)
		return;
	now = bpf_ktime_get_boot_ns();
	enter(&life->hold, state, now);
	if (!life->shared) {
		if (want_states)
			emit(KIND_STATE, REASON_NONE, now, &life->hold);
		return;
	}
	cookie = life->hold.cookie;
	shared = bpf_map_lookup_elem(&sockets, &cookie);
	if (shared && shared->phase == PHASE_SHARED)
		change(shared, state, now);
}

/* tw_timer_handler(): it is about to end, and by its timer. */
static __always_inline void tw_runs_out(struct inet_timewait_sock *tw)
{
	struct tw_key key = {};
	struct tw_life *life = tw_life_of(tw, &key);

	if (life)
		life->ended = bpf_ktime_get_boot_ns();
}

static __always_inline __u8 tw_reason(const struct tw_life *life, struct inet_timewait_sock *tw)
{
	if (is_dying(BPF_CORE_READ(tw, __tw_common.skc_net.net)))
		return REASON_NETNS_DESTROYED;
	if (life->ended)
		return end_reason(&life->hold, 0);
	/* RST, or data that nobody reads any more */
	return life->hold.state == STATE_FIN_WAIT2 ? REASON_RESET : REASON_TIME_WAIT_KILLED;
}

/* inet_twsk_bind_unhash(): the mini-socket leaves the bind bucket. A connect() that reuses
 * it comes here first and then ends it, which comes here again. */
static __always_inline void tw_end(struct inet_timewait_sock *tw)
{
	struct tw_key key = {};
	struct tw_life *life = tw_life_of(tw, &key), ended;
	__u64 now;

	if (!life)
		return;
	ended = *life;
	if (bpf_map_delete_elem(&time_waits, &key))
		return;
	now = bpf_ktime_get_boot_ns();
	if (ended.shared)
		leave_to_socket(&ended, 0, now);
	else
		emit(KIND_RELEASE, tw_reason(&ended, tw), now, &ended.hold);
}
