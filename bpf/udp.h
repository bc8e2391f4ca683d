/* UDP: ports taken by connect() and by sends, and every release. */
#pragma once

#include "question.h"

/* connect() asked for a port and there is none: the search failed, or the port came and
 * went with connect(AF_UNSPEC). In between an iterator may have seen it. */
static __always_inline void connect_came_to_nothing(struct life *life, struct sock *sk, __u64 now)
{
	__u64 cookie = id_of(sk, false), at = began(life);

	if (!advance(life, cookie, at, PHASE_CONNECTING, PHASE_OVER))
		finish(life, cookie, at, REASON_DISCONNECTED, now);
	else if (!was_connected(sk))
		fail(life, sk, false, EAGAIN);
}

/* A port was asked for and there is none. */
static __always_inline void udp_failed(struct life *life, struct sock *sk, __u64 now)
{
	switch (life->phase) {
	case PHASE_BINDING:
		fail(life, sk, false, EADDRINUSE);
		return;
	case PHASE_CONNECTING:
		connect_came_to_nothing(life, sk, now);
	}
}

/* Before connect(): an unbound socket gets its port right after this hook, and no hook
 * follows. Its release, an error or an iterator will tell the number. */
static __always_inline int udp_connecting(struct bpf_sock_addr *ctx, int family)
{
	struct bpf_sock *bpf_sk = ctx->sk;
	struct life fresh = {}, *life;
	struct sock *sk;
	__u64 now;

	if (ctx->protocol != IPPROTO_UDP || !bpf_sk || is_refused())
		return 1;
	now = bpf_ktime_get_boot_ns();
	sk = address_of(bpf_sk);
	life = current_life(sk, false, bpf_sk->src_port, now);
	if (bpf_sk->src_port) {
		if (life && life->phase == PHASE_HELD) {
			life->hold.dst_port = bpf_ntohs(ctx->user_port);
			if (family == AF_INET)
				put_ipv4(life->hold.dst, ctx->user_ip4);
			else
				put_ipv6(life->hold.dst, ctx);
			if (life->hold.state != STATE_ESTABLISHED)
				change(life, STATE_ESTABLISHED, now);
			else if (want_states) /* connected to another destination */
				emit(KIND_STATE, REASON_NONE, now, &life->hold);
			emit(KIND_PENDING, REASON_NONE, now, &life->hold); /* it may choose its address */
		}
		return 1;
	}
	if (life)
		udp_failed(life, sk, now);
	ask(&fresh, sk, PHASE_CONNECTING, bpf_get_socket_cookie(ctx), PATH_UDP_CONNECT, now);
	read_socket(&fresh.hold, sk, false);
	if (wants_netns(fresh.hold.netns) && remember(&fresh))
		emit(KIND_PENDING, REASON_NONE, now, &fresh.hold);
	return 1;
}

/* A UDP socket has a port and no hold yet. */
static __always_inline void udp_autobound(struct life *asked, struct sock *sk, bool btf,
					  __u64 cookie, __u64 now)
{
	__u8 sk_state = READ(&sk->__sk_common, skc_state);
	__u64 at = asked ? began(asked) : 0;
	struct life fresh = {}, *over;

	begin(&fresh, asked, sk, btf, asked ? PATH_UDP_CONNECT : PATH_UDP_SEND,
	      sk_state == TCP_ESTABLISHED ? STATE_ESTABLISHED : STATE_BOUND, cookie,
	      asked ? asked->asked : now);
	if (sk_state == TCP_ESTABLISHED)
		read_dst(&fresh.hold, &sk->__sk_common, btf);
	if (!wants_port(fresh.hold.port) || !wants_hold(&fresh.hold)) {
		if (asked)
			forget(asked);
	} else if (!asked) { /* two threads may send at once, and both come here */
		over = bpf_map_lookup_elem(&sockets, &cookie);
		if (!over || advance(over, cookie, began(over), PHASE_OVER, PHASE_CLAIMED))
			assign_if(&fresh, over ? BPF_ANY : BPF_NOEXIST);
	} else if (advance(asked, cookie, at, PHASE_CONNECTING, PHASE_CLAIMED)) {
		assign(&fresh);
	} /* else an iterator has just told of it */
}

/* In sendto() of an unconnected socket, after the autobind: udp_sendmsg(). */
static __always_inline int udp_sending(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *bpf_sk = ctx->sk;
	struct life *life;
	struct sock *sk;
	__u64 now;

	if (!bpf_sk || ctx->protocol != IPPROTO_UDP)
		return 1;
	sk = address_of(bpf_sk);
	life = life_of(sk, false);
	if (life && life->phase == PHASE_HELD && life->hold.port == bpf_sk->src_port)
		return 1;
	now = bpf_ktime_get_boot_ns();
	life = current_life(sk, false, bpf_sk->src_port, now);
	if (life && life->phase == PHASE_BINDING) {
		drop_question(life, sk, false);
		life = NULL;
	}
	if ((life && life->phase != PHASE_CONNECTING) || !wants_port(bpf_sk->src_port) ||
	    is_explicit(sk, false))
		return 1;
	udp_autobound(life, sk, false, bpf_get_socket_cookie(ctx), now);
	return 1;
}

/* getsockname() of a socket whose connect() chose a port: getaddrinfo() calls it
 * before it takes the port away again with connect(AF_UNSPEC), which shows here, too. */
static __always_inline int udp_naming(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *bpf_sk = ctx->sk;
	struct life *life;
	struct sock *sk;

	if (!bpf_sk || ctx->protocol != IPPROTO_UDP)
		return 1;
	sk = address_of(bpf_sk);
	life = current_life(sk, false, bpf_sk->src_port, bpf_ktime_get_boot_ns());
	if (life && life->phase == PHASE_CONNECTING && bpf_sk->src_port)
		udp_autobound(life, sk, false, life->hold.cookie, life->asked);
	return 1;
}

/* inet_send_prepare(): inet_autobind() got none. */
static __noinline void autobind_failed(struct sock *sk, __u64 now)
{
	struct hold h = { .path = PATH_UDP_SEND, .search = ~0ULL };

	read_socket(&h, sk, true);
	if (!wants_hold(&h))
		return;
	read_current(&h.owner);
	emit_failure(now, &h, read_socket_range(sk), EAGAIN);
}

/* The send failed after the autobind. */
static __noinline void autobound_anyway(struct sock *sk, __u64 now)
{
	struct life *life = current_life(sk, true, sk->__sk_common.skc_num, now);

	if ((!life || life->phase == PHASE_CONNECTING) && !is_explicit(sk, true))
		udp_autobound(life, sk, true, bpf_get_socket_cookie(sk), now);
}

/* If a send failed: only EAGAIN without a port is a failed autobind (inet_send_prepare);
 * other errors may leave a port behind that no other hook has seen. */
static __always_inline void udp_sent(struct sock *sk, int result)
{
	__u64 now;

	if (result >= 0 || !sk || sk->sk_protocol != IPPROTO_UDP || sk->sk_type == SOCK_RAW)
		return;
	now = bpf_ktime_get_boot_ns();
	if (sk->__sk_common.skc_num)
		autobound_anyway(sk, now);
	else if (result == -EAGAIN)
		autobind_failed(sk, now);
}

/* The last descriptor of a socket is closed. TCP's ports live on; UDP's go now. */
static __always_inline int closing(struct bpf_sock *ctx)
{
	__u64 now, cookie, at;
	struct life *life;
	struct sock *sk;
	__u16 num;

	if (ctx->protocol != IPPROTO_UDP)
		return 1;
	sk = address_of(ctx);
	cookie = id_of(sk, false);
	life = cookie ? bpf_map_lookup_elem(&sockets, &cookie) : NULL;
	if (!life)
		return 1;
	now = bpf_ktime_get_boot_ns();
	num = BPF_CORE_READ(sk, __sk_common.skc_num);
	life = current_life(sk, false, num, now);
	if (!num && life) {
		udp_failed(life, sk, now);
		life = NULL;
	} else if (num && (!life || life->phase == PHASE_CONNECTING) && !is_explicit(sk, false)) {
		udp_autobound(life, sk, false, bpf_get_socket_cookie(ctx), now);
		life = life_of(sk, false);
	}
	if (life && life->phase == PHASE_HELD) {
		at = began(life);
		settle_udp(life, cookie, at, sk, false);
		finish(life, cookie, at, REASON_CLOSED, now);
	}
	bpf_map_delete_elem(&sockets, &cookie);
	return 1;
}
