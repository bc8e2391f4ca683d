/* The roll call: every hold that is followed is told, and whether its socket still has the
 * port is read from the socket itself. So a hook that was missed leaves nothing behind,
 * and sockets in no table (bound only, in flight between processes) are no puzzle. */
#pragma once

#include "looktw.h"

enum doubt { GONE, ELSEWHERE };

/* Amiss at one audit may be a hook that is about to tell; amiss at two is amiss. */
static __always_inline bool is_confirmed(__u32 *amiss, enum doubt doubt)
{
	__u32 now = audit_number << 1 | doubt;

	if (*amiss && *amiss + 2 == now)
		return true;
	*amiss = now;
	__sync_fetch_and_add(&suspects, 1);
	return false;
}

/* A TCP socket is in a state that no hook told: it was missed. */
static __always_inline void settle_tcp(struct life *life, struct sock *sk, __u64 now)
{
	__u8 state = state_of(BPF_CORE_READ(sk, __sk_common.skc_state));

	if (life->phase == PHASE_HELD && life->hold.state != state && is_confirmed(&life->amiss, ELSEWHERE))
		change(life, state, now);
}

/* The iterator hands out values that the verifier lets nobody index: look them up. */
static __always_inline int call_socket(struct bpf_iter_meta *meta, const __u64 *key)
{
	__u64 now = bpf_ktime_get_boot_ns(), cookie, at;
	bool held, udp, same;
	struct life *life;
	struct sock *sk;

	if (!key)
		return 0;
	cookie = *key;
	life = bpf_map_lookup_elem(&sockets, &cookie);
	if (!life)
		return 0;
	at = began(life);
	sk = (struct sock *)life->sk;
	held = life->phase == PHASE_HELD || life->phase == PHASE_SHARED;
	udp = life->hold.proto == IPPROTO_UDP;
	same = is_same(sk, cookie);
	if (held && same && BPF_CORE_READ(sk, __sk_common.skc_num) != life->hold.port) {
		if (udp && !exact && !life->hold.unclosed) { /* as in current_life() */
			finish(life, cookie, at, REASON_DISCONNECTED, now);
			return 0;
		}
		same = false;
	}
	if (!same) {
		if (is_new_stray(cookie)) { /* not over: the next audit takes its mini-socket in */
			if (held)
				tell_held(meta, &sockets, &cookie, &life->hold, now);
		} else if (is_confirmed(&life->amiss, GONE)) {
			forget(life);
		}
		return 0;
	}
	if (!held)
		return 0;
	if (udp && settle_udp(life, cookie, at, sk, false) && want_states)
		emit(KIND_STATE, REASON_NONE, now, &life->hold);
	if (!udp)
		settle_tcp(life, sk, now);
	tell_held(meta, &sockets, &cookie, &life->hold, now);
	return 0;
}

static __always_inline bool is_same_tw(struct inet_timewait_sock *tw, const struct tw_key *key)
{
	struct tw_key now = {};

	return read_tw_key(&now, tw) && now.cookie == key->cookie && now.hash == key->hash &&
	       now.port == key->port && now.dst_port == key->dst_port && is_pending(tw);
}

static __always_inline int call_tw(struct bpf_iter_meta *meta, const struct tw_key *at)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct inet_timewait_sock *tw;
	struct tw_life *life;
	struct tw_key key;

	if (!at)
		return 0;
	key = *at;
	life = bpf_map_lookup_elem(&time_waits, &key);
	if (!life)
		return 0;
	tw = (struct inet_timewait_sock *)life->tw;
	if (!is_same_tw(tw, &key)) {
		if (is_confirmed(&life->amiss, GONE))
			bpf_map_delete_elem(&time_waits, &key);
		return 0;
	}
	if (!life->claimed || life->shared) /* the full socket tells, or look_tw takes it in */
		return 0;
	settle_tw(life, tw, now);
	tell_held(meta, &time_waits, &key, &life->hold, now);
	return 0;
}
