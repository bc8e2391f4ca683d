/* The few kernel types the hooks read, cut by hand for CO-RE: only the fields
 * used, each struct with its reason. Offsets come from the running kernel's BTF. */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#define AF_INET 2
#define AF_INET6 10
#define SOCK_RAW 3
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_MPTCP 262

/* include/net/tcp_states.h */
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_CLOSE,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_LISTEN,
	TCP_CLOSING,
	TCP_NEW_SYN_RECV,
};

/* include/net/sock.h: what the program itself fixed (sk_userlocks) */
#define SOCK_BINDADDR_LOCK 4
#define SOCK_BINDPORT_LOCK 8
/* 6.18: connect() chose the port (net/ipv4/inet_hashtables.c, __inet_hash_connect) */
#define SOCK_CONNECT_BIND 16

/* include/net/sock.h: RCV_SHUTDOWN | SEND_SHUTDOWN, set by __tcp_close() */
#define SHUTDOWN_MASK 3

#define EAGAIN 11
#define EEXIST 17
#define ENETUNREACH 101
#define ECONNABORTED 103
#define ECONNRESET 104
#define ETIMEDOUT 110
#define ECONNREFUSED 111
#define EHOSTUNREACH 113
#define EADDRINUSE 98
#define EADDRNOTAVAIL 99

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	__s64 counter;
} atomic64_t;

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	atomic_t refs;
} refcount_t;

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

/* inode number of a namespace; the reference count tells a dying one.
 * 6.18 renamed count to __ns_ref (nscommon: move to separate file). */
struct ns_common {
	unsigned int inum;
	refcount_t __ns_ref;
};

struct ns_common___before_6_18 {
	refcount_t count;
};

/* 6.8 packed the range in one word (inet: implement lockless access to
 * ip_local_port_range); before, an array of two ints. */
struct local_ports {
	__u32 range;
};

struct local_ports___before_6_8 {
	int range[2];
};

struct netns_ipv4 {
	struct local_ports ip_local_ports;
};

struct net {
	struct ns_common ns;
	struct netns_ipv4 ipv4;
};

/* Before 5.11 the namespace counted its references itself (net: Use generic
 * ns_common::count). */
struct net___before_5_11 {
	refcount_t count;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct hlist_node {
	struct hlist_node *next, **pprev;
};

/* common head of full sockets and time-wait mini-sockets: the 4-tuple (skc_num in
 * host order, skc_dport in network order), its ehash value, namespace and cookie */
struct sock_common {
	union {
		struct {
			__be32 skc_daddr;
			__be32 skc_rcv_saddr;
		};
	};
	union {
		unsigned int skc_hash;
	};
	union {
		struct {
			__be16 skc_dport;
			__u16 skc_num;
		};
	};
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
	refcount_t skc_refcnt;
};

/* who bound it (sk_userlocks), whether it is the kernel's own (sk_kern_sock), why it ended (sk_err, sk_shutdown), whether it came
 * from a listener (a child keeps the listener's sk_max_ack_backlog, sk_clone_lock),
 * whether a UDP socket ever was connected (sk_txhash, __ip4_datagram_connect) */
struct sock {
	struct sock_common __sk_common;
	__u8 sk_userlocks;
	__u8 sk_kern_sock;
	int sk_err;
	__u16 sk_protocol;
	__u16 sk_type;
	__u8 sk_shutdown;
	__u32 sk_max_ack_backlog;
	__u32 sk_txhash;
};

/* inet_sport outlives skc_num when the port is put back; local_port_range is
 * IP_LOCAL_PORT_RANGE (6.3+), lo in the low half */
struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
	unsigned long inet_flags;
	__u32 local_port_range;
};

/* up to 6.5 the flags were bits of their own */
struct inet_sock___before_6_6 {
	__u8 bind_address_no_port : 1;
};

/* IP_LOCAL_PORT_RANGE before 6.9 (inet: read sk->sk_local_port_range locklessly) */
struct inet_sock___before_6_9 {
	struct {
		__u16 lo;
		__u16 hi;
	} local_port_range;
};

enum inet_flags {
	INET_FLAGS_BIND_ADDRESS_NO_PORT = 18,
};

/* bind bucket of a port: fastreuse is -1 while only connect() uses it */
struct inet_bind_bucket {
	signed char fastreuse;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	struct inet_bind_bucket *icsk_bind_hash;
};

/* segs_out is 0 until the SYN left; fastopen_connect defers it to the first write */
struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 segs_out;
	__u8 fastopen_connect : 1;
	_Bool is_mptcp; /* 5.7, CONFIG_MPTCP */
};

struct udp_sock {
	struct inet_sock inet;
};

/* first subflow of an MPTCP socket: it is the one that owns the port */
struct mptcp_sock {
	struct inet_connection_sock sk;
	struct sock *first;
};

struct timer_list {
	struct hlist_node entry;
	unsigned long expires;
	void *function;
};

struct inet_timewait_death_row;

/* time-wait mini-socket; tw_substate is FIN_WAIT2 or TIME_WAIT */
struct inet_timewait_sock {
	struct sock_common __tw_common;
	volatile unsigned char tw_substate;
	struct timer_list tw_timer;
	struct inet_bind_bucket *tw_tb;
};

/* 6.18: connect() chose the port of the socket it replaces */
struct inet_timewait_sock___since_6_18 {
	__u32 tw_connect_bind : 1;
};

/* 6.14: when it entered TIME_WAIT, in milliseconds of CLOCK_MONOTONIC (tcp_clock_ms) */
struct inet_timewait_sock___since_6_14 {
	__u32 tw_entry_stamp;
};

/* tw_ts_recent_stamp is 0 where the connection uses no timestamps */
struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
	int tw_ts_recent_stamp;
};

struct kernfs_node {
	__u64 id;
};

/* of a hierarchy of cgroups; 0: the default one */
struct cgroup_root {
	int hierarchy_id;
};

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct css_set {
	struct cgroup_subsys_state *subsys[16]; /* by enum cgroup_subsys_id */
	struct cgroup *dfl_cgrp;
};

typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct inode {
	__u16 i_mode;
};

struct file {
	struct inode *f_inode;
	void *private_data;
};

struct socket {
	struct sock *sk;
};

/* the owner, read here where the helpers are not offered (sockops) or where the
 * task is not the current one (iter/task_file); a process is as old as its first thread,
 * also when another one of it calls exec (de_thread) */
struct task_struct {
	int pid;
	int tgid;
	struct task_struct *group_leader;
	__u64 start_boottime;
	const struct cred *cred;
	char comm[16];
	struct css_set *cgroups;
};

struct seq_file {
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
};

struct bpf_map {
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};

#pragma clang attribute pop
