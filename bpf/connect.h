/* TCP connect(): the search for a port, its success, its failures. */
#pragma once

#include "hold.h"

/* Fast open: the SYN, and with it TCP_CONNECT_CB, may wait for the first write. Not
 * inlined, as it is rare and wants stack. */
static __noinline void defer(struct sock *sk, __u64 now)
{
	struct life deferred = {};

	if (!wants_netns(read_netns(&sk->__sk_common, true)))
		return;
	ask(&deferred, sk, PHASE_CONNECTING, bpf_get_socket_cookie(sk), PATH_CONNECT, now);
	remember(&deferred);
}

/* CLOSE -> SYN_SENT, in the caller's context, before the search for a port. */
static __always_inline void connecting(struct sock *sk, __u64 now)
{
	struct life *life = life_of(sk, true);
	struct search *search;

	if (life && life->phase == PHASE_HELD) {
		read_src(&life->hold, &sk->__sk_common, true);
		read_dst(&life->hold, &sk->__sk_common, true);
		life->reason = REASON_NONE;
		change(life, STATE_SYN_SENT, now);
		return;
	}
	if (life)
		drop_question(life, sk, true);
	if (BPF_CORE_READ_BITFIELD_PROBED((struct tcp_sock *)sk, fastopen_connect)) {
		defer(sk, now);
		return;
	}
	search = bpf_map_lookup_elem(&searches, &zero);
	if (search) {
		search->sk = (__u64)sk;
		search->began = now;
	}
}

/* The port is chosen and the SYN has not left: tcp_connect(). */
static __always_inline void connected(struct bpf_sock_ops *ctx)
{
	struct search *search = bpf_map_lookup_elem(&searches, &zero);
	__u64 now = bpf_ktime_get_boot_ns();
	struct bpf_sock *bpf_sk = ctx->sk;
	struct life fresh = {}, *life;
	struct sock *sk;

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
	begin(&fresh, life, sk, true, PATH_CONNECT, STATE_SYN_SENT,
	      bpf_get_socket_cookie(ctx), life ? life->asked : now);
	read_dst(&fresh.hold, &sk->__sk_common, true);
	if (!wants_hold(&fresh.hold)) {
		if (life)
			forget(life);
		return;
	}
	if (search && search->sk == (__u64)address_of(sk))
		fresh.hold.search = now - search->began;
	assign(&fresh);
}

/* SYN_SENT -> CLOSE of a socket without a hold. The search failed if there never was
 * a port; the tuple was refused if there is one and no SYN ever left. */
static __always_inline void connect_failed(struct sock *sk, __u64 now)
{
	__be16 sport = read_sport(sk);
	bool none = !sk->__sk_common.skc_num && !sport;
	struct search *search;
	struct hold h = {};

	if (!none && (!is_explicit(sk, true) || syn_left(sk) || sk->sk_err ||
		      sk->sk_shutdown == SHUTDOWN_MASK))
		return;
	read_socket(&h, sk, true);
	read_dst(&h, &sk->__sk_common, true);
	if (!wants_hold(&h))
		return;
	h.path = none ? PATH_CONNECT : PATH_EXPLICIT;
	h.search = ~0ULL;
	h.cookie = bpf_get_socket_cookie(sk);
	search = bpf_map_lookup_elem(&searches, &zero);
	if (search && search->sk == (__u64)address_of(sk))
		h.search = now - search->began;
	read_owner(&h.owner, bpf_get_current_task_btf());
	emit_failure(now, &h, read_socket_range(sk), EADDRNOTAVAIL);
}

/* A fast-open socket closed before it wrote: a whole life that no hook saw begin. */
static __noinline void deferred_closed(struct sock *sk, struct life *asked, __u64 now)
{
	struct life fresh = {};

	if (read_sport(sk)) {
		begin(&fresh, asked, sk, true, PATH_CONNECT, STATE_SYN_SENT,
		      asked->hold.cookie, asked->asked);
		read_dst(&fresh.hold, &sk->__sk_common, true);
		fresh.hold.port = bpf_ntohs(read_sport(sk));
		if (wants_port(fresh.hold.port) && wants_hold(&fresh.hold)) {
			emit(KIND_ASSIGN, REASON_NONE, asked->asked, &fresh.hold);
			emit(KIND_RELEASE, reason_of(sk, TCP_SYN_SENT), now, &fresh.hold);
		}
		forget(asked);
		return;
	}
	connect_failed(sk, now);
	forget(asked);
}
