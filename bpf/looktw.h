/* What the iterators do with time-wait mini-sockets. */
#pragma once

#include "look.h"
#include "timewait.h"

/* A port outside the range, or with a listener, was accepted. What was bound by number a
 * mini-socket does not tell. */
static __always_inline __u8 tw_path_of(struct inet_timewait_sock *tw, struct hold *h)
{
	struct inet_timewait_sock___since_6_18 *new = (void *)tw;
	struct netns_port at = { .netns = h->netns, .port = h->port };

	if (tells_connect() && BPF_CORE_READ_BITFIELD_PROBED(new, tw_connect_bind))
		return PATH_CONNECT;
	if (bpf_map_lookup_elem(&strangers, &at))
		return PATH_EXPLICIT;
	if (!tells_connect() && BPF_CORE_READ(tw, tw_tb, fastreuse) == -1)
		return PATH_CONNECT;
	if (bpf_map_lookup_elem(&listeners, &at))
		return PATH_EXPLICIT;
	if (in_netns_range(BPF_CORE_READ(tw, __tw_common.skc_net.net), h->port))
		return PATH_UNKNOWN;
	note_listener_at(&at); /* the range may grow */
	return PATH_EXPLICIT;
}

static __always_inline bool is_pending(struct inet_timewait_sock *tw)
{
	return BPF_CORE_READ(tw, tw_timer.entry.pprev);
}

/* What was a socket may be free memory, with all that it had but references, or another
 * one by now: a cookie is given once. A socket that puts its port back has skc_num 0
 * (__inet_put_port). */
static __always_inline bool is_same(struct sock *sk, __u64 cookie)
{
	return id_of(sk, false) == cookie &&
	       BPF_CORE_READ(sk, __sk_common.skc_refcnt.refs.counter);
}

/* The socket that left this mini-socket, if nobody saw it go: the hold goes on. */
static __always_inline struct life *bereaved(__u64 cookie, __u16 port)
{
	struct life *life = bpf_map_lookup_elem(&sockets, &cookie);
	struct sock *sk;

	if (!life || life->phase != PHASE_HELD || life->hold.port != port)
		return NULL;
	sk = (struct sock *)life->sk;
	if (is_same(sk, cookie) && BPF_CORE_READ(sk, __sk_common.skc_num) == port)
		return NULL;
	return life;
}

static __always_inline void take_in_tw(struct bpf_iter_meta *meta, struct inet_timewait_sock *tw,
				       struct sock_common *skc, __u64 now)
{
	struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
	struct tw_key key = {};
	struct life *left;
	struct hold *h;

	if (!s || !is_pending(tw))
		return;
	__builtin_memset(&s->tw, 0, sizeof(s->tw));
	s->tw.claimed = 1;
	h = &s->tw.hold;
	h->proto = IPPROTO_TCP;
	h->netns = read_netns(skc, true);
	h->port = skc->skc_num;
	read_src(h, skc, true);
	read_dst(h, skc, true);
	if (!wants_port(h->port) || !wants_hold(h))
		return;
	left = read_tw_key(&key, tw) ? bereaved(key.cookie, h->port) : NULL;
	h->path = left ? left->hold.path : tw_path_of(tw, h);
	if (!left && h->path == PATH_EXPLICIT)
		return;
	h->cookie = by_address ? (__u64)address_of(skc) : bpf_get_socket_cookie(skc);
	if (!is_due(h->cookie))
		return;
	s->tw.tw = (__u64)tw;
	s->tw.slept = slept_before(now);
	h->born = now;
	h->since = now;
	h->search = ~0ULL;
	h->state = read_substate(tw);
	if (!read_tw_key(&key, tw))
		return;
	if (left) {
		*h = left->hold;
		enter(h, read_substate(tw), now);
	}
	if (bpf_map_update_elem(&time_waits, &key, &s->tw, BPF_ANY)) {
		refused();
		return;
	}
	if (!is_pending(tw)) { /* ended while we took it in: it would never leave */
		bpf_map_delete_elem(&time_waits, &key);
		return;
	}
	if (!tell(meta, KIND_FOUND, h, now))
		bpf_map_delete_elem(&time_waits, &key);
	else if (left)
		forget(left);
}

static __always_inline void settle_tw(struct tw_life *life, struct inet_timewait_sock *tw, __u64 now)
{
	__u64 since;

	if (exact)
		return; /* tw_scheduled() sees it */
	since = unseen_tw_since(life, tw, now);
	if (!since)
		return;
	enter(&life->hold, STATE_TIME_WAIT, since);
	if (want_states)
		emit(KIND_STATE, REASON_NONE, since, &life->hold);
}

static __always_inline void look_tw(struct bpf_iter_meta *meta, struct inet_timewait_sock *tw,
				    struct sock_common *skc)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct tw_key key = {};
	struct tw_life *life = NULL;

	if (!want_tcp)
		return;
	if (read_tw_key(&key, tw))
		life = bpf_map_lookup_elem(&time_waits, &key);
	if (life && !life->claimed && look_mode == LOOK_FIRST && life->hold.since >= attached)
		return; /* its socket is about to claim it; if that was lost, an audit will see */
	if (!life || !life->claimed) {
		take_in_tw(meta, tw, skc, now);
		return;
	}
	settle_tw(life, tw, now);
	if (look_mode == LOOK_STATES)
		tell_held(meta, &time_waits, &key, &life->hold, now);
}
