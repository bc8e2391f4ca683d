/* Reading a socket. Two ways to reach one: a BTF pointer (btf = true: plain loads),
 * or, in cgroup programs, an address only (btf = false: probe reads). */
#pragma once

#include "maps.h"

#define READ(p, field) (btf ? (p)->field : BPF_CORE_READ(p, field))

/* The verifier forbids arithmetic on a bpf_sock; its address is a plain number. */
static __always_inline struct sock *address_of(void *ctx_sk)
{
	void *on_stack = ctx_sk;
	struct sock *sk = NULL;

	bpf_probe_read_kernel(&sk, sizeof(sk), &on_stack);
	return sk;
}

/* Half of it, for less: the verifier takes half a pointer for a number. */
static __always_inline __u32 low_half(const void *address)
{
	__u64 low;

	asm volatile("r0 = %1; w0 = w0; %0 = r0" : "=r"(low) : "r"(address) : "r0");
	return low;
}

/* What a socket goes by, 0: nobody asked a port for it. Sockets get a cookie when somebody
 * asks for one, and no other socket ever has it. by_address: in the fentry set, which sees
 * every socket leave, an address will do. */
static __always_inline __u64 id_of(struct sock *sk, bool btf)
{
	return by_address ? (__u64)address_of(sk) : READ(&sk->__sk_common, skc_cookie.counter);
}

/* The same for one that is to be followed. */
static __always_inline __u64 new_id(struct sock *sk)
{
	return by_address ? (__u64)address_of(sk) : bpf_get_socket_cookie(sk);
}

/* A listener's child has its parent's cookie when it enters its first state, and gets its own
 * right after (inet_csk_clone_lock; not so in 6.18): that state is nobody's. */
static __always_inline bool is_birth(int old, int new)
{
	return old == TCP_LISTEN && new == TCP_SYN_RECV;
}

static __always_inline bool is_mapped(const __u8 *addr)
{
	const __u32 *word = (const __u32 *)addr;

	return !word[0] && !word[1] && word[2] == bpf_htonl(0xffff);
}

static __always_inline void put_ipv4(__u8 *addr, __be32 ipv4)
{
	__u32 *word = (__u32 *)addr;

	word[0] = 0;
	word[1] = 0;
	word[2] = bpf_htonl(0xffff);
	word[3] = ipv4;
}

static __always_inline void put_ipv6(__u8 *addr, struct bpf_sock_addr *ctx)
{
	__u32 *word = (__u32 *)addr;

	word[0] = ctx->user_ip6[0];
	word[1] = ctx->user_ip6[1];
	word[2] = ctx->user_ip6[2];
	word[3] = ctx->user_ip6[3];
}

static __always_inline void read_local(__u8 *addr, struct sock_common *skc, bool btf)
{
	if (READ(skc, skc_family) == AF_INET)
		put_ipv4(addr, READ(skc, skc_rcv_saddr));
	else
		bpf_probe_read_kernel(addr, sizeof(struct in6_addr), &skc->skc_v6_rcv_saddr);
}

static __always_inline void read_src(struct hold *h, struct sock_common *skc, bool btf)
{
	read_local(h->src, skc, btf);
}

static __always_inline void read_dst(struct hold *h, struct sock_common *skc, bool btf)
{
	h->dst_port = bpf_ntohs(READ(skc, skc_dport));
	if (!h->dst_port)
		return;
	if (READ(skc, skc_family) == AF_INET)
		put_ipv4(h->dst, READ(skc, skc_daddr));
	else
		bpf_probe_read_kernel(h->dst, sizeof(h->dst), &skc->skc_v6_daddr);
}

static __always_inline __u32 read_netns(struct sock_common *skc, bool btf)
{
	struct net *net = READ(skc, skc_net.net);

	return READ(net, ns.inum);
}

static __always_inline __u8 read_userlocks(struct sock *sk, bool btf)
{
	return btf ? BPF_CORE_READ_BITFIELD(sk, sk_userlocks)
		   : BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks);
}

/* The program asked for this very number (__inet_bind, sk_userlocks). */
static __always_inline bool is_explicit(struct sock *sk, bool btf)
{
	return read_userlocks(sk, btf) & SOCK_BINDPORT_LOCK;
}

/* Stays when the port is put back and skc_num is zeroed (__inet_put_port). */
static __always_inline __be16 read_sport(struct sock *sk)
{
	return BPF_CORE_READ((struct inet_sock *)sk, inet_sport);
}

static __always_inline bool syn_left(struct sock *sk)
{
	return BPF_CORE_READ((struct tcp_sock *)sk, segs_out);
}

/* connect() worked at some time; disconnect leaves the mark. */
static __always_inline bool was_connected(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_txhash);
}

static __always_inline bool is_subflow(struct sock *sk)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;

	return bpf_core_field_exists(tp->is_mptcp) && BPF_CORE_READ(tp, is_mptcp);
}

/* IP_BIND_ADDRESS_NO_PORT: bind(addr, 0) fixes the address and leaves the port to
 * connect(). */
static __always_inline bool binds_address_only(struct sock *sk)
{
	struct inet_sock *inet = (struct inet_sock *)sk;
	struct inet_sock___before_6_6 *old = (void *)sk;

	if (bpf_core_field_exists(inet->inet_flags))
		return BPF_CORE_READ(inet, inet_flags) & (1UL << INET_FLAGS_BIND_ADDRESS_NO_PORT);
	if (bpf_core_field_exists(old->bind_address_no_port))
		return BPF_CORE_READ_BITFIELD_PROBED(old, bind_address_no_port);
	return false;
}

/* IP_LOCAL_PORT_RANGE of the socket as lo | hi << 16, 0 where there is none. */
static __always_inline __u32 read_socket_range(struct sock *sk)
{
	struct inet_sock *inet = (struct inet_sock *)sk;
	struct inet_sock___before_6_9 *old = (void *)sk;
	__u32 range = 0;

	if (bpf_core_field_exists(old->local_port_range.lo))
		bpf_probe_read_kernel(&range, sizeof(range), &old->local_port_range);
	else if (bpf_core_field_exists(inet->local_port_range))
		range = BPF_CORE_READ(inet, local_port_range);
	return range;
}

static __always_inline bool in_netns_range(struct net *net, __u16 port)
{
	struct local_ports___before_6_8 *old = (void *)&net->ipv4.ip_local_ports;
	__u32 range;

	if (bpf_core_field_exists(net->ipv4.ip_local_ports.range)) { /* as one word */
		range = BPF_CORE_READ(net, ipv4.ip_local_ports.range);
		return port >= (range & 0xffff) && port <= range >> 16;
	}
	return port >= BPF_CORE_READ(old, range[0]) && port <= BPF_CORE_READ(old, range[1]);
}

static __always_inline bool is_dying(struct net *net)
{
	struct ns_common *ns = &net->ns;
	struct ns_common___before_6_18 *old = (void *)ns;
	struct net___before_5_11 *older = (void *)net;

	if (bpf_core_field_exists(ns->__ns_ref))
		return !BPF_CORE_READ(ns, __ns_ref.refs.counter);
	if (bpf_core_field_exists(old->count))
		return !BPF_CORE_READ(old, count.refs.counter);
	if (bpf_core_field_exists(older->count))
		return !BPF_CORE_READ(older, count.refs.counter);
	return false;
}

/* As /proc/PID/stat tells when a process started (do_task_stat, nsec_to_clock_t): with the
 * pid it tells processes apart, though it comes round in 497 days. */
#define CLOCK_TICK 10000000

/* Before 5.11 the current task is known by address only. Not inlined, as it wants stack:
 * one pointer follows the fields, where BPF_CORE_READ has one for each. */
static __noinline void read_owner_at(struct owner *owner, struct task_struct *task)
{
	__u64 started = 0;
	void *at;

	bpf_core_read(&at, sizeof(at), &task->cgroups);
	bpf_core_read(&at, sizeof(at), &((struct css_set *)at)->dfl_cgrp);
	bpf_core_read(&at, sizeof(at), &((struct cgroup *)at)->kn);
	bpf_core_read(&owner->cgroup, sizeof(owner->cgroup), &((struct kernfs_node *)at)->id);
	bpf_core_read(&at, sizeof(at), &task->cred);
	bpf_core_read(&owner->uid, sizeof(owner->uid), &((struct cred *)at)->uid);
	bpf_core_read(&owner->pid, sizeof(owner->pid), &task->tgid);
	bpf_core_read(&owner->tid, sizeof(owner->tid), &task->pid);
	bpf_core_read(owner->comm, sizeof(owner->comm), &task->comm);
	bpf_core_read(&at, sizeof(at), &task->group_leader);
	bpf_core_read(&started, sizeof(started), &((struct task_struct *)at)->start_boottime);
	owner->started = started / CLOCK_TICK;
	if (!version1)
		return;
	bpf_core_read(&at, sizeof(at), &task->cgroups);
	bpf_core_read(&at, sizeof(at), &((struct css_set *)at)->subsys[version1_subsys]);
	bpf_core_read(&at, sizeof(at), &((struct cgroup_subsys_state *)at)->cgroup);
	bpf_core_read(&at, sizeof(at), &((struct cgroup *)at)->kn);
	bpf_core_read(&owner->cgroup1, sizeof(owner->cgroup1), &((struct kernfs_node *)at)->id);
}

static __always_inline void read_owner(struct owner *owner, struct task_struct *task)
{
	owner->cgroup = task->cgroups->dfl_cgrp->kn->id;
	owner->pid = task->tgid;
	owner->tid = task->pid;
	owner->uid = task->cred->uid.val;
	owner->started = task->group_leader->start_boottime / CLOCK_TICK;
	if (version1)
		owner->cgroup1 = task->cgroups->subsys[version1_subsys]->cgroup->kn->id;
	bpf_probe_read_kernel(owner->comm, sizeof(owner->comm), &task->comm);
}

static __always_inline void read_current(struct owner *owner)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf))
		read_owner(owner, bpf_get_current_task_btf());
	else
		read_owner_at(owner, (struct task_struct *)bpf_get_current_task());
}

static __always_inline bool is_kernels_own(struct sock *sk, bool btf)
{
	return btf ? BPF_CORE_READ_BITFIELD(sk, sk_kern_sock)
		   : BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);
}

static __always_inline void read_socket(struct hold *h, struct sock *sk, bool btf)
{
	h->proto = READ(sk, sk_protocol);
	/* inet_release() runs no cgroup hook then; TCP has another one */
	h->unclosed = !exact && h->proto == IPPROTO_UDP && is_kernels_own(sk, btf);
	h->netns = read_netns(&sk->__sk_common, btf);
	h->port = READ(&sk->__sk_common, skc_num);
	read_src(h, &sk->__sk_common, btf);
}

static __always_inline bool wants_port(__u16 port)
{
	__u32 word = port >> 6;

	barrier_var(word); /* verifiers before 6.18 lose sight of its bound on some ways here */
	return !filter_ports || ports[word & 1023] & (1ULL << (port & 63));
}

static __always_inline bool wants_proto(__u32 proto)
{
	return (proto == IPPROTO_TCP && want_tcp) || (proto == IPPROTO_UDP && want_udp);
}

static __always_inline bool wants_netns(__u32 netns)
{
	return !only_netns || netns == only_netns;
}

static __always_inline bool wants_family(const struct hold *h)
{
	return is_mapped(h->src) || is_mapped(h->dst) ? want_ipv4 : want_ipv6;
}
