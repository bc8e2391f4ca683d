//go:build ignore

/* The hooks of the stable set: BTF tracepoints, cgroup hooks, sockops and iterators,
 * which also lockdown and hardened kernels allow. Read top to bottom: connect, bind,
 * listen, UDP, states and release, TIME_WAIT, iterators. */

#include "look.h"
#include "nested.h"

char __license[] SEC("license") = "Dual MIT/GPL";

/* ---- connect ---- */

/* CLOSE -> SYN_SENT, in the caller's context, before the search for a port. */
static __always_inline void connecting(struct sock *sk, __u64 now)
{
	struct life *life = life_of(sk, true);
	struct search *search;

	if (life && life->phase == PHASE_HELD) {
		read_src(&life->hold, &sk->__sk_common, true);
		read_dst(&life->hold, &sk->__sk_common, true);
		change(life, STATE_SYN_SENT, now);
		return;
	}
	if (life)
		forget(life); /* bind() fixed the address only */
	if (BPF_CORE_READ_BITFIELD_PROBED((struct tcp_sock *)sk, fastopen_connect)) {
		struct life deferred = {};

		/* the SYN, and with it TCP_CONNECT_CB, may wait for the first write */
		ask(&deferred, PHASE_CONNECTING, bpf_get_socket_cookie(sk), PATH_CONNECT, now);
		remember(&deferred);
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
	if (!sk || is_explicit(sk, true))
		return;
	life = life_of(sk, true);
	if (life && life->phase != PHASE_CONNECTING)
		return;
	begin(&fresh.hold, life, sk, true, PATH_CONNECT, STATE_SYN_SENT,
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
static __always_inline void deferred_closed(struct sock *sk, struct life *asked, __u64 now)
{
	struct life fresh = {};

	if (read_sport(sk)) {
		begin(&fresh.hold, asked, sk, true, PATH_CONNECT, STATE_SYN_SENT,
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

/* ---- bind ---- */

/* Before bind() looks for a port: only here the number asked for is seen. */
static __always_inline int binding(struct bpf_sock_addr *ctx, int family)
{
	struct bpf_sock *bpf_sk = ctx->sk;
	struct life fresh = {}, *life;
	struct sock *sk;

	if (ctx->user_port || !bpf_sk || !wants_proto(ctx->protocol))
		return 1;
	sk = address_of(bpf_sk);
	if (BPF_CORE_READ(sk, __sk_common.skc_num) || binds_address_only(sk))
		return 1;
	life = life_of(sk, false);
	if (life && life->phase == PHASE_BINDING) /* it asks again: the last time it got none */
		fail(life, sk, false, EADDRINUSE);
	ask(&fresh, PHASE_BINDING, bpf_get_socket_cookie(ctx), PATH_BIND, bpf_ktime_get_boot_ns());
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
	asked = life_of(sk, false);
	if (asked && asked->phase != PHASE_BINDING)
		return 1; /* an iterator was quicker */
	if (!asked && !want_explicit)
		return 1;
	begin(&fresh.hold, asked, sk, false, asked ? PATH_BIND : PATH_EXPLICIT, STATE_BOUND,
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

/* ---- listen ---- */

/* listen() worked: inet_listen(). Without bind() before it, it chose the port. */
static __always_inline void listening(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *bpf_sk = ctx->sk;
	struct life fresh = {};
	struct sock *sk;

	if (!bpf_sk || !wants_port(ctx->local_port))
		return;
	sk = (struct sock *)bpf_skc_to_tcp_sock(bpf_sk);
	if (!sk || is_explicit(sk, true) || life_of(sk, true))
		return;
	begin(&fresh.hold, NULL, sk, true, PATH_LISTEN, STATE_LISTEN, bpf_get_socket_cookie(ctx),
	      bpf_ktime_get_boot_ns());
	if (wants_hold(&fresh.hold))
		assign(&fresh);
}

/* LISTEN -> CLOSE in listen() itself: inet_csk_listen_start() found no port. */
static __always_inline void listen_failed(struct sock *sk, __u64 now)
{
	struct hold h = { .path = PATH_LISTEN, .search = ~0ULL };

	if (sk->__sk_common.skc_num || read_sport(sk))
		return;
	read_socket(&h, sk, true);
	if (!wants_hold(&h))
		return;
	read_owner(&h.owner, bpf_get_current_task_btf());
	emit_failure(now, &h, read_socket_range(sk), EADDRINUSE);
}

/* ---- UDP ---- */

/* Before connect(): an unbound socket gets its port right after this hook, and no hook
 * follows. Its release, an error or an iterator will tell the number. */
static __always_inline int udp_connecting(struct bpf_sock_addr *ctx, int family)
{
	struct bpf_sock *bpf_sk = ctx->sk;
	struct life fresh = {}, *life;
	struct sock *sk;
	__u64 now;

	if (ctx->protocol != IPPROTO_UDP || !bpf_sk)
		return 1;
	now = bpf_ktime_get_boot_ns();
	sk = address_of(bpf_sk);
	life = life_of(sk, false);
	if (bpf_sk->src_port) {
		if (life && life->phase == PHASE_HELD) {
			life->hold.dst_port = bpf_ntohs(ctx->user_port);
			if (family == AF_INET)
				put_ipv4(life->hold.dst, ctx->user_ip4);
			else
				put_ipv6(life->hold.dst, ctx);
			change(life, STATE_ESTABLISHED, now);
		}
		return 1;
	}
	if (life && life->phase == PHASE_HELD) /* connect(AF_UNSPEC) took the port, unseen till now */
		release(life, REASON_DISCONNECTED, now);
	else if (life)
		fail(life, sk, false, life->phase == PHASE_BINDING ? EADDRINUSE : EAGAIN);
	ask(&fresh, PHASE_CONNECTING, bpf_get_socket_cookie(ctx), PATH_UDP_CONNECT, now);
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
	struct life fresh = {};

	begin(&fresh.hold, asked, sk, btf, asked ? PATH_UDP_CONNECT : PATH_UDP_SEND,
	      sk_state == TCP_ESTABLISHED ? STATE_ESTABLISHED : STATE_BOUND, cookie,
	      asked ? asked->asked : now);
	if (sk_state == TCP_ESTABLISHED)
		read_dst(&fresh.hold, &sk->__sk_common, btf);
	if (wants_port(fresh.hold.port) && wants_hold(&fresh.hold))
		assign(&fresh);
	else if (asked)
		forget(asked);
}

/* In sendto() of an unconnected socket, after the autobind: udp_sendmsg(). */
static __always_inline int udp_sending(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *bpf_sk = ctx->sk;
	struct life *life;
	struct sock *sk;

	if (!bpf_sk || ctx->protocol != IPPROTO_UDP || !wants_port(bpf_sk->src_port))
		return 1;
	sk = address_of(bpf_sk);
	life = life_of(sk, false);
	if ((life && life->phase != PHASE_CONNECTING) || is_explicit(sk, false))
		return 1;
	udp_autobound(life, sk, false, bpf_get_socket_cookie(ctx), bpf_ktime_get_boot_ns());
	return 1;
}

/* A send failed. Only EAGAIN without a port is a failed autobind (inet_send_prepare);
 * other errors may leave a port behind that no other hook has seen. */
static __always_inline void send_failed(struct sock *sk, int error)
{
	struct hold h = { .path = PATH_UDP_SEND, .search = ~0ULL };
	struct life *life;
	__u64 now;

	if (!sk || sk->sk_protocol != IPPROTO_UDP)
		return;
	now = bpf_ktime_get_boot_ns();
	if (sk->__sk_common.skc_num) {
		life = life_of(sk, true);
		if ((!life || life->phase == PHASE_CONNECTING) && !is_explicit(sk, true))
			udp_autobound(life, sk, true, bpf_get_socket_cookie(sk), now);
		return;
	}
	if (error != -EAGAIN)
		return;
	read_socket(&h, sk, true);
	if (!wants_hold(&h))
		return;
	read_owner(&h.owner, bpf_get_current_task_btf());
	emit_failure(now, &h, read_socket_range(sk), EAGAIN);
}

/* The last descriptor of a socket is closed. TCP's ports live on; UDP's go now. */
static __always_inline int closing(struct bpf_sock *ctx)
{
	struct life *life;
	struct sock *sk;
	__u64 now;
	__u16 num;

	if (ctx->protocol != IPPROTO_UDP)
		return 1;
	sk = address_of(ctx);
	life = life_of(sk, false);
	if (!life)
		return 1;
	now = bpf_ktime_get_boot_ns();
	num = BPF_CORE_READ(sk, __sk_common.skc_num);
	if (!num && life->phase != PHASE_HELD) {
		fail(life, sk, false, life->phase == PHASE_BINDING ? EADDRINUSE : EAGAIN);
		return 1;
	}
	if (life->phase == PHASE_CONNECTING) {
		udp_autobound(life, sk, false, life->hold.cookie, now);
		life = life_of(sk, false);
		if (!life)
			return 1;
	}
	if (life->phase != PHASE_HELD) {
		forget(life);
		return 1;
	}
	settle_udp(&life->hold, BPF_CORE_READ(sk, __sk_common.skc_state));
	release(life, num ? REASON_CLOSED : REASON_DISCONNECTED, now);
	return 1;
}

/* ---- states and release of TCP ---- */

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
	if (keeps_port)
		change(life, STATE_BOUND, now);
	else
		release(life, reason_of(sk, old), now);
}

/* No hold: what may have failed, or come to nothing. */
static __always_inline void left_unheld(struct sock *sk, struct life *life, int old)
{
	if (old == TCP_SYN_SENT && life && life->phase == PHASE_CONNECTING)
		deferred_closed(sk, life, bpf_ktime_get_boot_ns());
	else if (old == TCP_SYN_SENT)
		connect_failed(sk, bpf_ktime_get_boot_ns());
	else if (old == TCP_LISTEN)
		listen_failed(sk, bpf_ktime_get_boot_ns());
	else if (old == TCP_FIN_WAIT2 || old == TCP_CLOSING)
		disown(sk);
}

static __always_inline void state_changed(struct sock *sk, int old, int new)
{
	struct life *life;
	__u64 now;

	if (new == TCP_SYN_SENT) {
		connecting(sk, bpf_ktime_get_boot_ns());
		return;
	}
	life = life_of(sk, true);
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
		release(life, REASON_CLOSED, now);
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

/* ---- the hooks ---- */

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(sock_state, struct sock *sk, int old, int new)
{
	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	mark_handled(TWIN_STATE, sk, old << 8 | new);
	state_changed(sk, old, new);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(sock_state_nested, struct sock *sk, int old, int new)
{
	if (sk->sk_protocol == IPPROTO_TCP && !was_handled(TWIN_STATE, sk, old << 8 | new))
		state_changed(sk, old, new);
	return 0;
}

SEC("sockops")
int tcp_calls(struct bpf_sock_ops *ctx)
{
	/* never writes ctx->reply: other programs' and the kernel's answers stand */
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		connected(ctx);
		break;
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		listening(ctx);
		break;
	}
	return 1;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(tcp_destroy, struct sock *sk)
{
	mark_handled(TWIN_DESTROY, sk, 0);
	destroyed(sk);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(tcp_destroy_nested, struct sock *sk)
{
	if (!was_handled(TWIN_DESTROY, sk, 0))
		destroyed(sk);
	return 0;
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *ctx) { return binding(ctx, AF_INET); }

SEC("cgroup/bind6")
int bind6(struct bpf_sock_addr *ctx) { return binding(ctx, AF_INET6); }

SEC("cgroup/post_bind4")
int post_bind4(struct bpf_sock *ctx) { return bound(ctx); }

SEC("cgroup/post_bind6")
int post_bind6(struct bpf_sock *ctx) { return bound(ctx); }

SEC("cgroup/connect4")
int udp_connect4(struct bpf_sock_addr *ctx) { return udp_connecting(ctx, AF_INET); }

SEC("cgroup/connect6")
int udp_connect6(struct bpf_sock_addr *ctx) { return udp_connecting(ctx, AF_INET6); }

SEC("cgroup/sendmsg4")
int udp_send4(struct bpf_sock_addr *ctx) { return udp_sending(ctx); }

SEC("cgroup/sendmsg6")
int udp_send6(struct bpf_sock_addr *ctx) { return udp_sending(ctx); }

SEC("cgroup/sock_release")
int udp_close(struct bpf_sock *ctx) { return closing(ctx); }

SEC("tp_btf/sock_send_length")
int BPF_PROG(udp_send_failed, struct sock *sk, int ret, int flags)
{
	if (ret < 0)
		send_failed(sk, ret);
	return 0;
}

SEC("tp_btf/timer_start")
int BPF_PROG(tw_start, struct timer_list *timer)
{
	return (__u64)timer->function == tw_handler ? tw_started(timer) : 0;
}

SEC("tp_btf/timer_cancel")
int BPF_PROG(tw_cancel, struct timer_list *timer)
{
	return (__u64)timer->function == tw_handler ? tw_cancelled(ctx, timer) : 0;
}

SEC("tp_btf/timer_expire_entry")
int BPF_PROG(tw_expire, struct timer_list *timer)
{
	return (__u64)timer->function == tw_handler ? tw_expired(timer) : 0;
}

/* ---- iterators ---- */

SEC("iter/task_file")
int look_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *sock;
	struct sock *sk;

	if (!task || !file)
		return 0;
	sock = bpf_sock_from_file(file);
	if (!sock)
		return 0;
	sk = sock->sk;
	if (!sk || (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6))
		return 0;
	if (sk->sk_protocol == IPPROTO_MPTCP)
		note_subflow(sk, task);
	if (sk->sk_protocol == IPPROTO_TCP || sk->sk_protocol == IPPROTO_UDP)
		look(ctx->meta, sk, task);
	return 0;
}

SEC("iter/tcp")
int look_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct tcp_timewait_sock *tw;
	struct tcp_sock *tp;

	if (!skc)
		return 0;
	tw = bpf_skc_to_tcp_timewait_sock(skc);
	if (tw) {
		look_tw(ctx->meta, &tw->tw_sk, skc);
		return 0;
	}
	tp = bpf_skc_to_tcp_sock(skc);
	if (tp)
		look(ctx->meta, (struct sock *)tp, NULL);
	return 0;
}

SEC("iter/udp")
int look_udp(struct bpf_iter__udp *ctx)
{
	struct udp_sock *udp = ctx->udp_sk;

	if (udp)
		look(ctx->meta, (struct sock *)udp, NULL);
	return 0;
}

SEC("syscall")
int clocks(void *ctx)
{
	clock_jiffies = bpf_jiffies64();
	clock_boot = bpf_ktime_get_boot_ns();
	return 0;
}
