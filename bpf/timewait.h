/* The time-wait mini-socket that takes a port over, and the timer that ends it. */
#pragma once

#include "hold.h"

#define TCP_TIMEWAIT_LEN_NS (60 * 1000000000LL)

static __always_inline struct cancelled *last_cancel(void)
{
	return bpf_map_lookup_elem(&cancels, &zero);
}

static __always_inline struct inet_timewait_sock *tw_of(struct timer_list *timer)
{
	struct timer_list *address = (void *)address_of(timer);

	return (void *)address - bpf_core_field_offset(struct inet_timewait_sock, tw_timer);
}

/* False: nothing asked for the cookie of this socket, so nobody traces it. */
static __always_inline bool read_tw_key(struct tw_key *key, struct inet_timewait_sock *tw)
{
	key->cookie = by_address ? (__u64)address_of(tw)
				 : BPF_CORE_READ(tw, __tw_common.skc_cookie.counter);
	if (!key->cookie)
		return false;
	key->hash = BPF_CORE_READ(tw, __tw_common.skc_hash);
	key->port = BPF_CORE_READ(tw, __tw_common.skc_num);
	key->dst_port = bpf_ntohs(BPF_CORE_READ(tw, __tw_common.skc_dport));
	return true;
}

static __always_inline __u8 read_substate(struct inet_timewait_sock *tw)
{
	return state_of(BPF_CORE_READ(tw, tw_substate));
}

/* Since 6.14 a mini-socket with TCP timestamps remembers when it entered TIME_WAIT. */
static __always_inline bool is_stamped(struct inet_timewait_sock *tw)
{
	struct inet_timewait_sock___since_6_14 *new = (void *)tw;

	return bpf_core_field_exists(new->tw_entry_stamp) &&
	       BPF_CORE_READ((struct tcp_timewait_sock *)tw, tw_ts_recent_stamp);
}

/* For how long it has been in TIME_WAIT, without the time that the machine was suspended. */
static __always_inline __s64 tw_age(struct inet_timewait_sock *tw, __u64 monotonic)
{
	struct inet_timewait_sock___since_6_14 *new = (void *)tw;
	__s64 left;

	if (is_stamped(tw))
		return ((__u32)(monotonic / 1000000) - BPF_CORE_READ(new, tw_entry_stamp)) * 1000000ULL;
	left = BPF_CORE_READ(tw, tw_timer.expires) - bpf_jiffies64();
	return TCP_TIMEWAIT_LEN_NS - left * (__s64)tick_ns;
}

static __always_inline __u64 slept_before(__u64 now)
{
	return now - bpf_ktime_get_ns();
}

/* A FIN moves the mini-socket from FIN_WAIT2 to TIME_WAIT and its timer to 60 s from
 * then; where the new expiry falls in the same slot of the timer wheel no tracepoint
 * fires (__mod_timer), but the mini-socket or its timer remembers: the former to a
 * millisecond, the latter to a jiffy, and only since the last FIN. That it is the same
 * slot means that little time had passed: the machine slept after it, if at all. */
static __always_inline __u64 unseen_tw_since(const struct tw_life *life,
					     struct inet_timewait_sock *tw, __u64 now)
{
	const struct hold *h = &life->hold;
	__u64 monotonic = bpf_ktime_get_ns();
	__s64 since;

	if (h->state != STATE_FIN_WAIT2 || read_substate(tw) != STATE_TIME_WAIT)
		return 0;
	since = monotonic + life->slept - tw_age(tw, monotonic);
	if (since > (__s64)now)
		since = now;
	if (since < (__s64)h->since)
		since = h->since;
	return since;
}

/* A timer that expires is detached first, which looks like a cancel. Only then is it
 * the head of a list on the stack of __run_timers(), above our context. */
static __always_inline bool is_expiring(void *ctx, struct inet_timewait_sock *tw)
{
	__u64 head = (__u64)BPF_CORE_READ(tw, tw_timer.entry.pprev);

	return head - (__u64)address_of(ctx) < 16384;
}

static __always_inline __u8 end_reason(const struct hold *h, __u64 tw_since)
{
	if (h->state == STATE_TIME_WAIT || tw_since)
		return REASON_TIME_WAIT_EXPIRED;
	return REASON_TIMED_OUT; /* tcp_fin_timeout passed in FIN_WAIT2 */
}

/* The timer that starts or expires is the one whose cancel was seen last on this CPU. A
 * later mini-socket may have the same address, and even the same tuple. */
static __always_inline bool was_cancelled(const struct cancelled *c, struct inet_timewait_sock *tw,
					  const struct tw_key *key, __u64 now)
{
	return c->tw == (__u64)tw && now - c->at < 100 * 1000000 && c->key.cookie == key->cookie &&
	       c->key.hash == key->hash && c->key.port == key->port &&
	       c->key.dst_port == key->dst_port;
}

/* The mini-socket of an explicitly bound socket that is still open has ended: the port
 * is the socket's alone. */
static __always_inline void leave_to_socket(const struct tw_life *tw, __u64 since, __u64 now)
{
	__u64 cookie = tw->hold.cookie;
	struct life *life = bpf_map_lookup_elem(&sockets, &cookie);

	if (!life || life->phase != PHASE_SHARED)
		return;
	if (since)
		enter(&life->hold, STATE_TIME_WAIT, since);
	life->phase = PHASE_HELD;
	change(life, STATE_BOUND, now);
}

/* It had not ended, its timer was only restarted. */
static __always_inline void rejoin_socket(const struct tw_life *tw, __u64 now)
{
	__u64 cookie = tw->hold.cookie;
	struct life *life = bpf_map_lookup_elem(&sockets, &cookie);

	if (!life || life->phase != PHASE_HELD)
		return;
	life->phase = PHASE_SHARED;
	change(life, tw->hold.state, now);
}

/* A mini-socket's timer starts: a new one, or one just cancelled on this CPU. */
static __always_inline int tw_started(struct timer_list *timer)
{
	struct inet_timewait_sock *tw = tw_of(timer);
	struct cancelled *c = last_cancel();
	__u64 now = bpf_ktime_get_boot_ns();
	struct tw_life *life;
	struct tw_key key = {};

	if (!c || !read_tw_key(&key, tw))
		return 0;
	if (was_cancelled(c, tw, &key, now)) {
		c->tw = 0;
		if (c->stranger) /* no socket is about to claim it */
			return 0;
		life = bpf_map_lookup_elem(&time_waits, &key);
		if (life) { /* not claimed yet: only the mark is to be undone */
			life->ended = 0;
			life->hold.state = read_substate(tw);
			return 0;
		}
		if (bpf_map_update_elem(&time_waits, &key, &c->life, BPF_NOEXIST)) {
			lose(LOSS_MAP);
			return 0;
		}
		life = bpf_map_lookup_elem(&time_waits, &key);
		if (!life)
			return 0;
		if (life->shared)
			rejoin_socket(life, now);
		else
			emit(KIND_REVOKE, REASON_NONE, now, &life->hold);
		if (c->since) {
			enter(&life->hold, STATE_TIME_WAIT, c->since);
			if (want_states)
				emit(KIND_STATE, REASON_NONE, c->since, &life->hold);
		}
		return 0;
	}
	if (bpf_map_update_elem(&time_waits, &key, &no_tw_life, BPF_NOEXIST)) {
		lose(LOSS_MAP);
		return 0;
	}
	life = bpf_map_lookup_elem(&time_waits, &key);
	if (life) {
		life->tw = (__u64)tw;
		life->hold.state = read_substate(tw);
		life->hold.since = now;
		life->slept = slept_before(now);
	}
	return 0;
}

/* Restarted or killed: reported as killed at once, revoked if a start follows. */
static __always_inline int tw_cancelled(void *ctx, struct timer_list *timer)
{
	struct inet_timewait_sock *tw = tw_of(timer);
	struct cancelled *c = last_cancel();
	__u64 now = bpf_ktime_get_boot_ns(), since;
	struct tw_life *life;
	struct tw_key key = {};
	__u8 reason = REASON_TIME_WAIT_KILLED;

	if (!c || !read_tw_key(&key, tw))
		return 0;
	life = bpf_map_lookup_elem(&time_waits, &key);
	if (life && is_expiring(ctx, tw))
		return 0;
	c->tw = (__u64)tw;
	c->at = now;
	c->since = 0;
	c->key = key;
	c->stranger = !life;
	if (!life)
		return 0;
	c->life = *life;
	if (!life->claimed) {
		__sync_lock_test_and_set(&life->ended, now);
		if (!__sync_fetch_and_add(&life->claimed, 0))
			return 0; /* the socket will find it ended */
	}
	if (bpf_map_delete_elem(&time_waits, &key))
		return 0;
	since = unseen_tw_since(&c->life, tw, now);
	c->since = since;
	/* the timer is still FIN_WAIT2's: it is this FIN that restarts it */
	if (since && !is_stamped(tw) && since <= c->life.hold.since + 2 * tick_ns)
		c->since = now;
	if (c->life.shared) {
		leave_to_socket(&c->life, since, now);
		return 0;
	}
	if (is_dying(BPF_CORE_READ(tw, __tw_common.skc_net.net)))
		reason = REASON_NETNS_DESTROYED;
	else if (read_substate(tw) == STATE_FIN_WAIT2)
		reason = REASON_RESET; /* RST, or data that nobody reads any more */
	emit_tw(KIND_RELEASE, reason, now, &c->life.hold, since);
	return 0;
}

static __always_inline int tw_expired(struct timer_list *timer)
{
	struct inet_timewait_sock *tw = tw_of(timer);
	struct cancelled *c = last_cancel();
	__u64 now = bpf_ktime_get_boot_ns(), since;
	struct tw_life *life;
	struct tw_key key = {};

	if (!c || !read_tw_key(&key, tw))
		return 0;
	life = bpf_map_lookup_elem(&time_waits, &key);
	if (!life) {
		if (!c->stranger && was_cancelled(c, tw, &key, now)) { /* is_expiring() was wrong: tw_cancelled reported it */
			c->tw = 0;
			since = unseen_tw_since(&c->life, tw, now);
			emit_tw(KIND_EXPIRE, end_reason(&c->life.hold, since), now, &c->life.hold, since);
		}
		return 0;
	}
	c->tw = 0;
	c->life = *life;
	if (!life->claimed) {
		__sync_lock_test_and_set(&life->ended, now);
		if (!__sync_fetch_and_add(&life->claimed, 0))
			return 0;
	}
	if (bpf_map_delete_elem(&time_waits, &key))
		return 0;
	since = unseen_tw_since(&c->life, tw, now);
	if (c->life.shared) {
		leave_to_socket(&c->life, since, now);
		return 0;
	}
	emit_tw(KIND_RELEASE, end_reason(&c->life.hold, since), now, &c->life.hold, since);
	return 0;
}

static __always_inline void key_of_socket(struct tw_key *key, struct sock *sk)
{
	key->cookie = sk->__sk_common.skc_cookie.counter;
	key->hash = sk->__sk_common.skc_hash;
	key->port = bpf_ntohs(read_sport(sk));
	key->dst_port = bpf_ntohs(sk->__sk_common.skc_dport);
}

/* The full socket goes; true if a mini-socket has taken its port over (it joined the
 * bind bucket before, inet_twsk_hashdance) and now carries the hold. */
static __always_inline bool hand_over(struct sock *sk, struct life *life, bool keeps_port)
{
	struct tw_key key = {};
	struct tw_life *tw;
	__u64 began, ended;
	bool changed;
	__u8 state;

	key_of_socket(&key, sk);
	tw = bpf_map_lookup_elem(&time_waits, &key);
	if (!tw || tw->claimed)
		return false;
	state = tw->hold.state;
	began = tw->hold.since;
	changed = life->hold.state != state;
	enter(&life->hold, state, began);
	tw->hold = life->hold;
	tw->shared = keeps_port;
	__sync_lock_test_and_set(&tw->claimed, 1);
	ended = tw->ended;
	if (ended && !bpf_map_delete_elem(&time_waits, &key)) {
		if (!keeps_port)
			emit(KIND_RELEASE, REASON_TIME_WAIT_KILLED, ended, &life->hold);
		return !keeps_port;
	}
	if (want_states && changed)
		emit(KIND_STATE, REASON_NONE, began, &life->hold);
	return true;
}

/* Nobody follows this socket, and it leaves a mini-socket, which will not tell why: it was
 * bound by number, or accepted (its listener's backlog tells), be it on a port that has no
 * listener, as transparent proxies do. */
static __always_inline void note_stranger(struct sock *sk)
{
	struct netns_port at = {
		.netns = read_netns(&sk->__sk_common, true),
		.port = bpf_ntohs(read_sport(sk)), /* skc_num may be put back */
	};
	__u8 yes = 1;

	if (is_explicit(sk, true) ? want_explicit : !sk->sk_max_ack_backlog)
		return;
	/* be it out of the range, which may grow */
	if (!bpf_map_lookup_elem(&strangers, &at))
		bpf_map_update_elem(&strangers, &at, &yes, BPF_ANY);
}

/* A socket nobody traces went: its mini-socket, if it has a cookie, is not ours. */
static __always_inline void disown(struct sock *sk)
{
	struct tw_key key = {};

	note_stranger(sk);
	if (!sk->__sk_common.skc_cookie.counter)
		return;
	key_of_socket(&key, sk);
	bpf_map_delete_elem(&time_waits, &key);
}
