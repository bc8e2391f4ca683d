/* The fentry set's half that begins holds: the kernel's own searches for a port, as they
 * return. They are the only places where it chooses one. */
#pragma once

#include "bind.h"
#include "connect.h"

/* The search found none, or the tuple was refused. */
static __noinline void search_failed(struct sock *sk, __u8 path, __u16 error, __u64 now)
{
	struct hold h = { .path = path, .searched = 1 };

	read_socket(&h, sk, true);
	if (path == PATH_CONNECT || path == PATH_EXPLICIT)
		read_dst(&h, &sk->__sk_common, true);
	if (!wants_hold(&h))
		return;
	h.search = search_time(sk, now);
	h.cookie = new_id(sk);
	read_current(&h.owner);
	emit_failure(now, &h, read_socket_range(sk), error);
}

/* The search found a port. What UDP's connect() took is told as that returns, with its
 * addresses. */
static __noinline void search_succeeded(struct sock *sk, __u8 path, __u8 state, __u64 now)
{
	struct life fresh = {};

	begin(&fresh, NULL, sk, true, path, state, new_id(sk), now);
	if (!wants_port(fresh.hold.port) || !wants_proto(fresh.hold.proto) ||
	    !wants_netns(fresh.hold.netns))
		return;
	fresh.hold.search = search_time(sk, now);
	if (path == PATH_UDP_CONNECT) {
		fresh.phase = PHASE_CLAIMED;
		remember(&fresh);
		return;
	}
	if (path == PATH_CONNECT)
		read_dst(&fresh.hold, &sk->__sk_common, true);
	if (wants_family(&fresh.hold))
		assign(&fresh);
}

/* __inet_hash_connect(): a connecting TCP socket has its port and its tuple, or neither. */
static __always_inline int connect_searched(struct sock *sk, int error)
{
	struct life *life;
	__u64 now;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	now = bpf_ktime_get_boot_ns();
	life = life_of(sk, true);
	if (life && life->phase == PHASE_HELD) {
		if (error)
			emit_failure(now, &life->hold, read_socket_range(sk), -error);
		else /* it may have taken a tuple from TIME_WAIT */
			emit(KIND_TUPLE, REASON_NONE, now, &life->hold);
		return 0;
	}
	if (error && !sk->__sk_common.skc_num)
		search_failed(sk, PATH_CONNECT, -error, now);
	else if (error && is_explicit(sk, true))
		search_failed(sk, PATH_EXPLICIT, -error, now);
	else if (!error && !is_explicit(sk, true))
		search_succeeded(sk, PATH_CONNECT, STATE_SYN_SENT, now);
	return 0;
}

static __always_inline int port_search(struct sock *sk)
{
	search_begins(sk, bpf_ktime_get_boot_ns());
	return 0;
}

/* inet_csk_get_port(): bind(), or listen() without it, which asks in state LISTEN. A
 * listener that has its port asks for the same one again. */
static __always_inline int tcp_searched(struct sock *sk, __u16 asked, int error)
{
	bool listens = sk->__sk_common.skc_state == TCP_LISTEN;
	__u8 path = asked ? PATH_EXPLICIT : listens ? PATH_LISTEN : PATH_BIND;
	__u64 now;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (listens && !error)
		note_listener(sk, true);
	if (asked && (listens || !want_explicit || error))
		return 0;
	now = bpf_ktime_get_boot_ns();
	if (error)
		search_failed(sk, path, EADDRINUSE, now);
	else
		search_succeeded(sk, path, listens ? STATE_LISTEN : STATE_BOUND, now);
	return 0;
}

/* bind() and connect() of a UDP socket begin: what else asks for a port is a send. */
static __always_inline int udp_call(struct sock *sk, __u8 path)
{
	__u64 at;

	if (!sk || sk->sk_protocol != IPPROTO_UDP)
		return 0;
	at = (__u64)address_of(sk);
	if (bpf_map_update_elem(&udp_calls, &at, &path, BPF_ANY))
		lose(LOSS_MAP);
	return 0;
}

static __always_inline __u8 udp_call_of(struct sock *sk)
{
	__u64 at = (__u64)address_of(sk);
	__u8 *path = bpf_map_lookup_elem(&udp_calls, &at);

	return path ? *path : PATH_UDP_SEND;
}

static __always_inline void udp_call_ends(struct sock *sk)
{
	__u64 at = (__u64)address_of(sk);

	bpf_map_delete_elem(&udp_calls, &at);
}

/* udp_lib_get_port() */
static __always_inline int udp_searched(struct sock *sk, __u16 asked, int error)
{
	__u8 path = asked ? PATH_EXPLICIT : udp_call_of(sk);
	__u64 now;

	if (sk->sk_protocol != IPPROTO_UDP || (asked && (!want_explicit || error)))
		return 0;
	now = bpf_ktime_get_boot_ns();
	if (error)
		search_failed(sk, path, path == PATH_BIND ? EADDRINUSE : EAGAIN, now);
	else
		search_succeeded(sk, path, STATE_BOUND, now);
	return 0;
}

/* inet_dgram_connect() returns: the addresses are known, or, after AF_UNSPEC, no more. */
static __always_inline int udp_connect_ends(struct sock *sk, int error)
{
	struct life *life;
	struct hold *h;
	bool connected;
	__u64 now;

	if (!sk || sk->sk_protocol != IPPROTO_UDP)
		return 0;
	udp_call_ends(sk);
	life = life_of(sk, true);
	if (!life || (life->phase != PHASE_HELD && life->phase != PHASE_CLAIMED))
		return 0;
	now = bpf_ktime_get_boot_ns();
	h = &life->hold;
	connected = sk->__sk_common.skc_state == TCP_ESTABLISHED;
	read_src(h, &sk->__sk_common, true);
	read_dst(h, &sk->__sk_common, true);
	if (life->phase == PHASE_CLAIMED) {
		life->phase = PHASE_HELD;
		h->state = connected ? STATE_ESTABLISHED : STATE_BOUND;
		if (wants_family(h))
			emit(KIND_ASSIGN, REASON_NONE, h->assigned, h);
		else
			forget(life);
		return 0;
	}
	if (error)
		return 0;
	change(life, connected ? STATE_ESTABLISHED : STATE_BOUND, now);
	emit(KIND_TUPLE, REASON_NONE, now, h);
	return 0;
}

/* __inet_bind() and __inet6_bind() return: an address that is not this host's is refused
 * before any search. address: that asked for, a kernel copy. */
static __always_inline int bind_ends(struct sock *sk, const void *address, int error)
{
	struct hold h = { .path = PATH_BIND, .search = ~0ULL, .searched = 1 };
	__u16 family, port;
	__be32 ipv4;

	if (sk->sk_protocol == IPPROTO_UDP)
		udp_call_ends(sk);
	if (error != -EADDRNOTAVAIL || sk->sk_type == SOCK_RAW)
		return 0;
	/* struct sockaddr_in and sockaddr_in6: family, port, then the address at 4 or 8 */
	bpf_probe_read_kernel(&family, sizeof(family), address);
	bpf_probe_read_kernel(&port, sizeof(port), address + 2);
	if (port)
		return 0;
	read_socket(&h, sk, true);
	if (family == AF_INET6) {
		bpf_probe_read_kernel(h.src, sizeof(h.src), address + 8);
	} else {
		bpf_probe_read_kernel(&ipv4, sizeof(ipv4), address + 4);
		put_ipv4(h.src, ipv4);
	}
	if (!wants_hold(&h))
		return 0;
	h.cookie = new_id(sk);
	read_current(&h.owner);
	emit_failure(bpf_ktime_get_boot_ns(), &h, read_socket_range(sk), EADDRNOTAVAIL);
	return 0;
}
