/* TCP states, and how a full socket lets go of its port. */
#pragma once

#include "bind.h"
#include "connect.h"
#include "timewait.h"

/* -> CLOSE: tcp_set_state() has put an autobound port back already; an explicit one
 * stays until the socket is destroyed. */
static __always_inline void leaving(struct sock *sk, struct life *life, int old, __u64 now)
{
	bool keeps_port = is_explicit(sk, true);

	/* only these two become a mini-socket: tcp_time_wait()'s callers */
	if ((old == TCP_FIN_WAIT2 || old == TCP_CLOSING) && hand_over(sk, life, keeps_port)) {
		if (keeps_port)
			life->phase = PHASE_SHARED;
		else
			forget(life);
		return;
	}
	if (keeps_port) {
		if (sk->sk_shutdown == SHUTDOWN_MASK) /* close(): the socket goes at once */
			life->reason = reason_of(sk, old);
		change(life, STATE_BOUND, now);
	} else {
		release(life, reason_of(sk, old), now);
	}
}

/* No hold: what may have failed, or come to nothing. */
static __always_inline void left_unheld(struct sock *sk, struct life *life, int old)
{
	bool deferred = life && life->phase == PHASE_CLAIMED;

	if (old == TCP_SYN_SENT) {
		if (deferred && read_sport(sk))
			deferred_closed(sk, life, bpf_ktime_get_boot_ns());
		else
			connect_failed(sk, bpf_ktime_get_boot_ns());
		if (deferred)
			forget(life);
	} else if (old == TCP_LISTEN) {
		listen_failed(sk, bpf_ktime_get_boot_ns());
	} else if (old == TCP_FIN_WAIT2 || old == TCP_CLOSING) {
		disown(sk);
	}
}

static __always_inline void state_changed(struct sock *sk, int old, int new)
{
	struct life *life;
	__u64 now;

	if (sk->sk_protocol != IPPROTO_TCP || is_birth(old, new))
		return;
	if (new == TCP_SYN_SENT) {
		connecting(sk, bpf_ktime_get_boot_ns());
		return;
	}
	life = life_of(sk, true);
	if (life && new == TCP_CLOSE) /* no iterator is to tell of it any more */
		advance(life, id_of(sk, true), began(life), PHASE_CONNECTING, PHASE_CLAIMED);
	if (!life || life->phase != PHASE_HELD) {
		if (new == TCP_CLOSE)
			left_unheld(sk, life, old);
		return;
	}
	now = bpf_ktime_get_boot_ns();
	if (new == TCP_CLOSE) {
		/* bind(0), then a connect() to a tuple that is taken */
		if (old == TCP_SYN_SENT && !syn_left(sk) && !sk->sk_err &&
		    sk->sk_shutdown != SHUTDOWN_MASK)
			emit_failure(now, &life->hold, read_socket_range(sk), EADDRNOTAVAIL);
		leaving(sk, life, old, now);
		return;
	}
	change(life, state_of(new), now);
}

/* The socket goes for good: tcp_v4_destroy_sock() puts back what it still has. */
static __always_inline void destroyed(struct sock *sk)
{
	struct life *life = life_of(sk, true);
	struct tw_key key = {};
	struct tw_life *tw;
	__u64 now;

	if (!life)
		return;
	now = bpf_ktime_get_boot_ns();
	switch (life->phase) {
	case PHASE_HELD:
		release(life, life->reason ?: REASON_CLOSED, now);
		return;
	case PHASE_SHARED:
		key_of_socket(&key, sk);
		tw = bpf_map_lookup_elem(&time_waits, &key);
		if (!tw) {
			release(life, REASON_CLOSED, now);
			return;
		}
		tw->shared = 0;
		break;
	case PHASE_BINDING:
		if (!sk->__sk_common.skc_num) {
			fail(life, sk, true, EADDRINUSE);
			return;
		}
		break;
	}
	forget(life);
}
