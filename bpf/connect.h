/* TCP connect(): the search for a port, its success, its failures. */
#pragma once

#include "question.h"

/* Fast open: the SYN, and with it TCP_CONNECT_CB, may wait for the first write. */
static __noinline void defer(struct sock *sk, __u64 now)
{
	struct life deferred = {};

	if (!wants_netns(read_netns(&sk->__sk_common, true)))
		return;
	ask(&deferred, sk, PHASE_CONNECTING, bpf_get_socket_cookie(sk), PATH_CONNECT, now);
	remember(&deferred);
}

/* A socket that has its port is given a destination. */
static __always_inline void reconnecting(struct sock *sk, struct life *life, __u64 now)
{
	read_src(&life->hold, &sk->__sk_common, true);
	read_dst(&life->hold, &sk->__sk_common, true);
	life->reason = REASON_NONE;
	change(life, STATE_SYN_SENT, now);
}

/* A hold of another port ended, and no hook saw it. */
static __always_inline struct life *life_before_connect(struct sock *sk, __u64 now)
{
	struct life *life = life_of(sk, true);

	if (!life || life->phase != PHASE_HELD || life->hold.port == sk->__sk_common.skc_num)
		return life;
	release(life, REASON_VANISHED, now);
	return NULL;
}

/* CLOSE -> SYN_SENT, in the caller's context, before the search for a port. */
static __always_inline void connecting(struct sock *sk, __u64 now)
{
	struct life *life = life_before_connect(sk, now);

	if (life && life->phase == PHASE_HELD) {
		reconnecting(sk, life, now);
		return;
	}
	if (life)
		drop_question(life, sk, true);
	if (BPF_CORE_READ_BITFIELD_PROBED((struct tcp_sock *)sk, fastopen_connect)) {
		defer(sk, now);
		return;
	}
	search_begins(sk, now);
}

/* The port is chosen and the SYN has not left: tcp_connect(). */
static __always_inline void connected(struct bpf_sock_ops *ctx)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct bpf_sock *bpf_sk = ctx->sk;
	struct life fresh = {}, *life;
	struct sock *sk;
	__u64 cookie;

	if (!bpf_sk || !wants_port(ctx->local_port))
		return;
	sk = (struct sock *)bpf_skc_to_tcp_sock(bpf_sk);
	if (!sk)
		return;
	life = life_of(sk, true);
	if (life && life->phase == PHASE_HELD) /* it may have taken a tuple from TIME_WAIT */
		emit(KIND_TUPLE, REASON_NONE, now, &life->hold);
	if ((life && life->phase != PHASE_CONNECTING) || is_explicit(sk, true))
		return;
	cookie = bpf_get_socket_cookie(ctx);
	if (life && !advance(life, cookie, life->asked, PHASE_CONNECTING, PHASE_CLAIMED))
		return; /* an iterator has just told of it */
	begin(&fresh, life, sk, true, PATH_CONNECT, STATE_SYN_SENT, cookie, life ? life->asked : now);
	read_dst(&fresh.hold, &sk->__sk_common, true);
	if (!wants_hold(&fresh.hold)) {
		if (life)
			forget(life);
		return;
	}
	fresh.hold.search = search_time(sk, now);
	assign(&fresh);
}

/* SYN_SENT -> CLOSE of a socket without a hold. The search failed if there never was
 * a port; the tuple was refused if there is one and no SYN ever left. */
static __noinline void connect_failed(struct sock *sk, __u64 now)
{
	__be16 sport = read_sport(sk);
	bool none = !sk->__sk_common.skc_num && !sport;
	struct hold h = {};

	if (!none && (!is_explicit(sk, true) || syn_left(sk) || sk->sk_err ||
		      sk->sk_shutdown == SHUTDOWN_MASK))
		return;
	read_socket(&h, sk, true);
	read_dst(&h, &sk->__sk_common, true);
	if (!wants_hold(&h))
		return;
	h.path = none ? PATH_CONNECT : PATH_EXPLICIT;
	h.search = search_time(sk, now);
	h.cookie = bpf_get_socket_cookie(sk);
	read_current(&h.owner);
	emit_failure(now, &h, read_socket_range(sk), EADDRNOTAVAIL);
}

/* A fast-open socket closed before it wrote: a whole life that no hook saw begin. */
static __noinline void deferred_closed(struct sock *sk, struct life *asked, __u64 now)
{
	struct life fresh = {};

	begin(&fresh, asked, sk, true, PATH_CONNECT, STATE_SYN_SENT,
	      asked->hold.cookie, asked->asked);
	read_dst(&fresh.hold, &sk->__sk_common, true);
	fresh.hold.port = bpf_ntohs(read_sport(sk));
	if (!wants_port(fresh.hold.port) || !wants_hold(&fresh.hold))
		return;
	emit(KIND_ASSIGN, REASON_NONE, asked->asked, &fresh.hold);
	emit(KIND_RELEASE, reason_of(sk, TCP_SYN_SENT), now, &fresh.hold);
}
