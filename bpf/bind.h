/* bind() to port 0, explicit bind(), and listen() without either. */
#pragma once

#include "question.h"

/* Before bind() looks for a port: only here the number asked for is seen. */
static __always_inline int binding(struct bpf_sock_addr *ctx, int family)
{
	struct bpf_sock *bpf_sk = ctx->sk;
	struct life fresh = {}, *life;
	struct sock *sk;
	__u64 now;

	if (ctx->user_port || !bpf_sk || !wants_proto(ctx->protocol))
		return 1;
	sk = address_of(bpf_sk);
	if (BPF_CORE_READ(sk, __sk_common.skc_num) || binds_address_only(sk) ||
	    !wants_netns(read_netns(&sk->__sk_common, false)))
		return 1;
	now = bpf_ktime_get_boot_ns();
	life = current_life(sk, false, 0, now);
	if (life && life->phase == PHASE_BINDING) /* it asks again: the last time it got none */
		fail(life, sk, false, EADDRINUSE);
	if (is_refused())
		return 1;
	ask(&fresh, sk, PHASE_BINDING, bpf_get_socket_cookie(ctx), PATH_BIND, now);
	if (family == AF_INET)
		put_ipv4(fresh.hold.src, ctx->user_ip4);
	else
		put_ipv6(fresh.hold.src, ctx);
	remember(&fresh);
	return 1;
}

/* bind() has its port. */
static __always_inline int bound(struct bpf_sock *ctx)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct life fresh = {}, *asked;
	struct sock *sk;

	if (!wants_proto(ctx->protocol))
		return 1;
	sk = address_of(ctx);
	asked = current_life(sk, false, ctx->src_port, now);
	if (asked && asked->phase != PHASE_BINDING)
		return 1; /* an iterator was quicker */
	if (!asked && !want_explicit)
		return 1;
	if (is_refused()) { /* the port goes back at once (__inet_bind) */
		if (asked)
			forget(asked);
		return 1;
	}
	begin(&fresh, asked, sk, false, asked ? PATH_BIND : PATH_EXPLICIT, STATE_BOUND,
	      bpf_get_socket_cookie(ctx), now);
	if (!wants_port(fresh.hold.port) || !wants_hold(&fresh.hold)) {
		if (asked)
			forget(asked);
		return 1;
	}
	if (asked)
		fresh.hold.search = now - asked->asked;
	assign(&fresh);
	return 1;
}

static __always_inline struct netns_port port_at(struct sock *sk, bool btf)
{
	struct netns_port at = {
		.netns = read_netns(&sk->__sk_common, btf),
		.port = READ(&sk->__sk_common, skc_num),
	};

	return at;
}

static __always_inline void note_listener_at(const struct netns_port *at)
{
	__u8 yes = 1;

	bpf_map_update_elem(&listeners, at, &yes, BPF_ANY);
}

static __always_inline void note_listener(struct sock *sk, bool btf)
{
	struct netns_port at = port_at(sk, btf);

	note_listener_at(&at);
}

/* listen() worked: inet_listen(). Without bind() before it, it chose the port. */
static __always_inline void listening(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *bpf_sk = ctx->sk;
	struct life fresh = {}, *life;
	struct sock *sk;

	if (!bpf_sk || !wants_port(ctx->local_port))
		return;
	sk = (struct sock *)bpf_skc_to_tcp_sock(bpf_sk);
	if (!sk)
		return;
	note_listener(sk, true);
	life = life_of(sk, true);
	if (is_explicit(sk, true) || (life && life->phase >= PHASE_HELD))
		return;
	if (life)
		drop_question(life, sk, true);
	begin(&fresh, NULL, sk, true, PATH_LISTEN, STATE_LISTEN, bpf_get_socket_cookie(ctx),
	      bpf_ktime_get_boot_ns());
	if (wants_hold(&fresh.hold))
		assign(&fresh);
}

/* LISTEN -> CLOSE in listen() itself: inet_csk_listen_start() found no port. */
static __noinline void listen_failed(struct sock *sk, __u64 now)
{
	struct hold h = { .path = PATH_LISTEN, .search = ~0ULL };

	if (sk->__sk_common.skc_num || read_sport(sk))
		return;
	read_socket(&h, sk, true);
	if (!wants_hold(&h))
		return;
	read_current(&h.owner);
	emit_failure(now, &h, read_socket_range(sk), EADDRINUSE);
}
