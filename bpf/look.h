/* What the iterators over the kernel's sockets do: take in holds older than the trace or
 * missed by it, and settle what no hook sees. The output of an iterator is a row of
 * struct event. */
#pragma once

#include "bind.h"

/* False: there is no room for the row. The kernel then runs the program for this object
 * again (bpf_seq_read), so it must leave no trace of the first time. */
static __always_inline bool tell(struct bpf_iter_meta *meta, __u8 kind, const struct hold *h,
				 __u64 now)
{
	struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);

	if (!s)
		return false;
	s->event.time = now;
	s->event.hold = *h;
	s->event.range_lo = 0;
	s->event.range_hi = 0;
	s->event.error = 0;
	s->event.reason = REASON_NONE;
	s->event.kind = kind;
	enter(&s->event.hold, h->state, now);
	return !bpf_seq_write(meta->seq, &s->event, sizeof(s->event));
}

/* The same for a hold that is followed, unless its end is just being told: h may be
 * another's by now. map and key: where it was found. */
static __always_inline void tell_held(struct bpf_iter_meta *meta, void *map, const void *key,
				      const struct hold *h, __u64 now)
{
	struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);

	if (!s)
		return;
	s->event.hold = *h;
	barrier();
	if (bpf_map_lookup_elem(map, key) == h && h->born == s->event.hold.born)
		tell(meta, KIND_HELD, &s->event.hold, now);
}

/* A socket between the kernel's choice and our hook: the hook will tell. */
static __always_inline bool is_connecting(struct sock *sk, bool btf)
{
	return READ(&sk->__sk_common, skc_state) == TCP_SYN_SENT && !syn_left(sk);
}

/* Children of a listener keep its backlog, which may be 0, and lose its lock
 * (sk_clone_lock). So does a listener that was disconnected and connects: its path tells. */
static __always_inline bool is_accepted(struct sock *sk, bool btf, __u8 path)
{
	struct netns_port at = port_at(sk, btf);

	if (READ(sk, sk_protocol) != IPPROTO_TCP || READ(&sk->__sk_common, skc_state) == TCP_LISTEN ||
	    path == PATH_EXPLICIT || path == PATH_CONNECT)
		return false;
	if (bpf_map_lookup_elem(&listeners, &at))
		return true;
	if (!READ(sk, sk_max_ack_backlog))
		return false;
	note_listener(sk, btf); /* it is gone; the child's mini-socket will not tell */
	return true;
}

/* Whether a socket that nobody follows is to be taken in now: a hook may be about to
 * tell of it, unless the audit before this one found it already. */
static __always_inline bool is_due(__u64 cookie)
{
	__u32 now = audit_number, *before;

	if (look_mode != LOOK_AUDIT)
		return look_mode == LOOK_FIRST;
	before = bpf_map_lookup_elem(&strays, &cookie);
	if (before && *before + 1 == now)
		return true;
	if (!before || *before != now) {
		bpf_map_update_elem(&strays, &cookie, &now, BPF_ANY);
		__sync_fetch_and_add(&suspects, 1);
	}
	return false;
}

/* Whether this audit is the first to see what has its cookie, such as the mini-socket that it
 * left: the next one lets that go on with its hold. */
static __always_inline bool is_new_stray(__u64 cookie)
{
	__u32 *seen = bpf_map_lookup_elem(&strays, &cookie);

	return seen && *seen == audit_number;
}

/* A hold that an audit would take in was counted as lost when a hook could not. */
static __always_inline void refused(void)
{
	if (look_mode == LOOK_FIRST)
		lose(LOSS_MAP);
	else
		__sync_fetch_and_add(&refusals, 1);
}

/* Since 6.18 sockets and mini-sockets tell if connect() chose their port. Before, their
 * bucket tells if connect() made that, which what a listener accepts may share. */
static __always_inline bool tells_connect(void)
{
	struct inet_timewait_sock___since_6_18 *tw = NULL;

	return bpf_core_field_exists(tw->tw_connect_bind);
}

/* How a socket older than the trace came to its port, as far as it shows. */
static __always_inline __u8 path_of(struct sock *sk, bool btf)
{
	struct inet_bind_bucket *bucket;
	__u8 locks = read_userlocks(sk, btf);

	if (locks & SOCK_BINDPORT_LOCK)
		return PATH_EXPLICIT;
	if (READ(sk, sk_protocol) != IPPROTO_TCP)
		return PATH_UNKNOWN;
	if (locks & SOCK_CONNECT_BIND)
		return PATH_CONNECT;
	bucket = BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_bind_hash);
	if (!tells_connect() && bucket && BPF_CORE_READ(bucket, fastreuse) == -1)
		return PATH_CONNECT;
	if (READ(&sk->__sk_common, skc_state) == TCP_LISTEN && !(locks & SOCK_BINDADDR_LOCK))
		return PATH_UNKNOWN; /* bind(0) or listen() alone */
	return PATH_BIND;
}

/* The descriptor is the MPTCP socket's, the port its first subflow's: look_tcp will
 * find that one and look up the owner here. */
static __always_inline void note_subflow(struct sock *sk, struct task_struct *task)
{
	struct owner owner = {};
	__u64 first;

	if (!bpf_core_type_exists(struct mptcp_sock)) /* CONFIG_MPTCP */
		return;
	first = (__u64)BPF_CORE_READ((struct mptcp_sock *)sk, first);
	if (!first)
		return;
	read_owner(&owner, task);
	bpf_map_update_elem(&subflows, &first, &owner, BPF_NOEXIST);
}

static __always_inline void find_owner(struct owner *owner, struct sock *sk)
{
	__u64 address = (__u64)address_of(sk);
	struct owner *found = bpf_map_lookup_elem(&subflows, &address);

	if (found)
		*owner = *found;
}

/* Room for a life, zeroed. */
static __always_inline struct life *scratch_life(struct scratch *s)
{
	__builtin_memset(s->life, 0, sizeof(s->life));
	return (struct life *)s->life;
}

/* A socket older than the trace, or missed by it. */
static __always_inline void take_in(struct bpf_iter_meta *meta, struct sock *sk, bool btf,
				    struct task_struct *task, __u8 path, __u64 now)
{
	struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
	struct life *life;
	struct hold *h;

	if (!s)
		return;
	life = scratch_life(s);
	h = &life->hold;
	h->path = path;
	read_socket(h, sk, btf);
	read_dst(h, &sk->__sk_common, btf);
	if (!wants_hold(h))
		return;
	h->cookie = new_id(sk);
	if (!is_due(h->cookie))
		return;
	life->sk = (__u64)sk;
	h->born = now;
	h->since = now;
	h->search = ~0ULL;
	h->state = state_of(READ(&sk->__sk_common, skc_state));
	if (task)
		read_owner(&h->owner, task);
	else
		find_owner(&h->owner, sk);
	life->phase = PHASE_HELD;
	if (bpf_map_update_elem(&sockets, &h->cookie, life, BPF_NOEXIST))
		refused();
	else if (!tell(meta, KIND_FOUND, h, now))
		bpf_map_delete_elem(&sockets, &h->cookie);
}

/* The port is seen: what was asked for becomes a hold, in its place. */
static __always_inline bool become(struct life *asked, __u64 cookie, __u64 at, const struct hold *h)
{
	bool won;

	bpf_spin_lock(&asked->lock);
	won = is_still(asked, cookie, at, PHASE_CONNECTING);
	if (won) {
		asked->hold = *h;
		asked->asked = 0;
		asked->phase = PHASE_HELD;
	}
	bpf_spin_unlock(&asked->lock);
	return won;
}

/* A port was asked for, no hook has seen it, and here it is. Its release, which may come
 * right now on another CPU, is to follow: the event takes its place first. An unwanted
 * port stays asked for: to drop that is up to the socket's hooks. */
static __always_inline void resolve(struct sock *sk, __u64 cookie, struct life *asked)
{
	struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
	__u64 at = began(asked);
	struct life *life;
	struct event *e;

	if (!s)
		return;
	life = scratch_life(s);
	begin(life, asked, sk, true, asked->hold.path, state_of(sk->__sk_common.skc_state), cookie, at);
	read_dst(&life->hold, &sk->__sk_common, true);
	if (!life->hold.port || !wants_port(life->hold.port) || !wants_hold(&life->hold))
		return;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return; /* no loss: it stays asked for, and the next look tells */
	fill(e, KIND_ASSIGN, REASON_NONE, at, &life->hold, 0);
	if (become(asked, cookie, at, &life->hold))
		submit(e);
	else
		discard(e);
}

/* At a socket that asked for a port. */
static __always_inline void look_again(struct bpf_iter_meta *meta, struct sock *sk, bool btf,
				       struct life *life, __u64 now)
{
	__u64 cookie = id_of(sk, btf), at = began(life);

	if (!exact && life->phase == PHASE_CONNECTING)
		resolve(sk, cookie, life);
	if (life->phase != PHASE_HELD && life->phase != PHASE_SHARED)
		return;
	if (life->hold.proto == IPPROTO_UDP && settle_udp(life, cookie, at, sk, btf) && want_states)
		emit(KIND_STATE, REASON_NONE, now, &life->hold);
	if (look_mode == LOOK_STATES)
		tell_held(meta, &sockets, &cookie, &life->hold, now);
}

static __always_inline void look(struct bpf_iter_meta *meta, struct sock *sk, bool btf,
				 struct task_struct *task)
{
	__u16 num = READ(&sk->__sk_common, skc_num), proto = READ(sk, sk_protocol);
	__u64 now = bpf_ktime_get_boot_ns();
	struct life *life;
	__u8 path;

	if (!wants_proto(proto))
		return;
	if (READ(&sk->__sk_common, skc_state) == TCP_LISTEN)
		note_listener(sk, btf);
	if (!num && proto != IPPROTO_UDP)
		return;
	life = current_life(sk, btf, num, now);
	if (life) {
		look_again(meta, sk, btf, life, now);
		return;
	}
	/* bind() sets inet_sport last: without it the hook has yet to tell */
	if (!num || !read_sport(sk))
		return;
	path = path_of(sk, btf);
	if ((path == PATH_EXPLICIT && !want_explicit) || !wants_port(num) ||
	    is_accepted(sk, btf, path) || is_connecting(sk, btf))
		return;
	take_in(meta, sk, btf, task, path, now);
}

/* A descriptor's socket. */
static __always_inline void look_at(struct bpf_iter_meta *meta, struct sock *sk, bool btf,
				    struct task_struct *task)
{
	__u16 family, proto;

	if (!sk || READ(sk, sk_type) == SOCK_RAW)
		return;
	family = READ(&sk->__sk_common, skc_family);
	proto = READ(sk, sk_protocol);
	if (family != AF_INET && family != AF_INET6)
		return;
	if (proto == IPPROTO_MPTCP)
		note_subflow(sk, task);
	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP)
		look(meta, sk, btf, task);
}

/* Before 5.11 a socket is had from its file as an address only. Sockets of the file system
 * cannot be opened. */
static __always_inline struct sock *socket_at(struct file *file)
{
	struct socket *sock = BPF_CORE_READ(file, private_data);

	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	return BPF_CORE_READ(sock, sk);
}
