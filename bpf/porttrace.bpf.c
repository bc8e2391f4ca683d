//go:build ignore

/* The hooks of both sets. The stable one makes do with BTF tracepoints, cgroup hooks and
 * sockops, which also lockdown and hardened kernels allow; the fentry one sits in the
 * kernel's own functions. A table of contents: what a hook does stands in the header named
 * after it. */

#include "bind.h"
#include "calls.h"
#include "cgroup.h"
#include "connect.h"
#include "hidden.h"
#include "put.h"
#include "release.h"
#include "rollcall.h"
#include "search.h"
#include "timewait.h"
#include "udp.h"

char __license[] SEC("license") = "Dual MIT/GPL";

/* ---- the stable set ---- */

SEC_TWINS("tp_btf/inet_sock_set_state", sock_state, state_changed(sk, old, new), sk, old << 8 | new,
	  struct sock *sk, int old, int new)

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

SEC_TWINS("tp_btf/tcp_destroy_sock", tcp_destroy, destroyed(sk), sk, 0, struct sock *sk)

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

SEC("cgroup/getsockname4")
int udp_name4(struct bpf_sock_addr *ctx) { return udp_naming(ctx); }

SEC("cgroup/getsockname6")
int udp_name6(struct bpf_sock_addr *ctx) { return udp_naming(ctx); }

SEC("cgroup/sendmsg4")
int udp_send4(struct bpf_sock_addr *ctx) { return udp_sending(ctx); }

SEC("cgroup/sendmsg6")
int udp_send6(struct bpf_sock_addr *ctx) { return udp_sending(ctx); }

SEC("cgroup/sock_release")
int udp_close(struct bpf_sock *ctx) { return closing(ctx); }

SEC_TWINS("tp_btf/sock_send_length", udp_send_failed, udp_sent(sk, ret), sk, ret,
	  struct sock *sk, int ret)

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

/* ---- the fentry set ---- */

SEC_TWINS("fexit/inet_hash_connect", connect4, connect_searched(sk, error), sk, 0,
	  struct inet_timewait_death_row *row, struct sock *sk, int error)

SEC_TWINS("fexit/inet6_hash_connect", connect6, connect_searched(sk, error), sk, 0,
	  struct inet_timewait_death_row *row, struct sock *sk, int error)

SEC_TWINS("fentry/inet_csk_get_port", tcp_search, port_search(sk), sk, 0, struct sock *sk)

SEC_TWINS("fexit/inet_csk_get_port", tcp_port, tcp_searched(sk, asked, error), sk, 0,
	  struct sock *sk, unsigned short asked, int error)

SEC_TWINS("fentry/udp_lib_get_port", udp_search, port_search(sk), sk, 0, struct sock *sk)

SEC_TWINS("fexit/udp_lib_get_port", udp_port, udp_searched(sk, asked, error), sk, 0,
	  struct sock *sk, unsigned short asked, unsigned int hash, int error)

SEC_TWINS("fentry/__inet_bind", udp_bind4, udp_call(sk, PATH_BIND), sk, 0, struct sock *sk)

SEC_TWINS("fentry/__inet6_bind", udp_bind6, udp_call(sk, PATH_BIND), sk, 0, struct sock *sk)

SEC_TWINS("fexit/__inet_bind", bind4_end, bind_ends(sk, address, error), sk, 0,
	  struct sock *sk, void *address, int size, __u32 flags, int error)

SEC_TWINS("fexit/__inet6_bind", bind6_end, bind_ends(sk, address, error), sk, 0,
	  struct sock *sk, void *address, int size, __u32 flags, int error)

SEC_TWINS("fentry/inet_dgram_connect", udp_connect, udp_call(sock->sk, PATH_UDP_CONNECT), sock, 0,
	  struct socket *sock)

SEC_TWINS("fexit/inet_dgram_connect", udp_connect_end, udp_connect_ends(sock->sk, error), sock, 0,
	  struct socket *sock, void *address, int size, int flags, int error)

SEC_TWINS("fentry/udp_lib_unhash", udp_unhash, udp_put(sk), sk, 0, struct sock *sk)

SEC_TWINS("tp_btf/inet_sock_set_state", state, port_state(sk, old, new), sk, old << 8 | new,
	  struct sock *sk, int old, int new)

SEC_TWINS("fentry/inet_put_port", put, port_put(sk), sk, 0, struct sock *sk)

SEC_TWINS("fentry/inet_twsk_hashdance_schedule", tw_hash, tw_birth(tw, sk), sk, 0,
	  struct inet_timewait_sock *tw, struct sock *sk)

SEC_TWINS("fentry/__inet_twsk_schedule", tw_schedule, tw_scheduled(tw, rearm), tw, 0,
	  struct inet_timewait_sock *tw, int timeout, bool rearm)

SEC_TWINS("fentry/tw_timer_handler", tw_timer, tw_runs_out(tw_of(timer)), timer, 0,
	  struct timer_list *timer)

SEC_TWINS("fentry/inet_twsk_bind_unhash", tw_unhash, tw_end(tw), tw, 0,
	  struct inet_timewait_sock *tw)

/* ---- iterators, for both ---- */

SEC("iter/task_file")
int look_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *sock;

	if (!task || !file)
		return 0;
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_sock_from_file)) {
		look_at(ctx->meta, socket_at(file), false, task);
		return 0;
	}
	sock = bpf_sock_from_file(file);
	if (sock)
		look_at(ctx->meta, sock->sk, true, task);
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
		look(ctx->meta, (struct sock *)tp, true, NULL);
	return 0;
}

SEC("iter/udp")
int look_udp(struct bpf_iter__udp *ctx)
{
	struct udp_sock *udp = ctx->udp_sk;

	if (udp)
		look(ctx->meta, (struct sock *)udp, true, NULL);
	return 0;
}

SEC("iter/bpf_map_elem")
int call_sockets(struct bpf_iter__bpf_map_elem *ctx)
{
	return call_socket(ctx->meta, ctx->key);
}

SEC("iter/bpf_map_elem")
int call_time_waits(struct bpf_iter__bpf_map_elem *ctx)
{
	return call_tw(ctx->meta, ctx->key);
}

/* ---- on demand ---- */

SEC("tp_btf/sched_switch")
int BPF_PROG(switched, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	count_switch(prev, false);
	count_switch(next, true);
	return 0;
}

SEC("syscall")
int clocks(void *ctx)
{
	clock_jiffies = bpf_jiffies64();
	clock_boot = bpf_ktime_get_boot_ns();
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_gone, struct cgroup *cgrp, const char *path)
{
	keep_path(cgrp, path);
	return 0;
}
