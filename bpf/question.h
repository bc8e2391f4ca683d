/* A port that is asked for: who asks, and what if there is none. */
#pragma once

#include "contest.h"

/* A port was asked for: remember who and when until a later hook sees the number.
 * life is zeroed memory. */
static __always_inline void ask(struct life *life, struct sock *sk, __u32 phase, __u64 cookie,
				__u8 path, __u64 now)
{
	life->sk = (__u64)sk;
	read_current(&life->hold.owner);
	life->hold.cookie = cookie;
	life->hold.path = path;
	life->asked = now;
	life->phase = phase;
}

/* Nothing came of it: the kernel found no port. When is known, the errno is the one
 * the kernel gives on that path. */
static __always_inline void fail(struct life *life, struct sock *sk, bool btf, __u16 error)
{
	struct hold *h = &life->hold;
	__u8 src[sizeof(h->src)];

	/* bind() that failed has wiped the address that it was asked for */
	__builtin_memcpy(src, h->src, sizeof(src));
	read_socket(h, sk, btf);
	if (life->phase == PHASE_BINDING)
		__builtin_memcpy(h->src, src, sizeof(src));
	h->search = ~0ULL;
	h->port = 0; /* it may have found one since */
	h->dst_port = 0;
	if (wants_hold(h))
		emit_failure(life->asked, h, read_socket_range(sk), error);
	forget(life);
}

/* A socket does something else after a bind(0): if that got no port, now is the time to
 * tell. life is not to be touched after this. */
static __always_inline void drop_question(struct life *life, struct sock *sk, bool btf)
{
	if (life->phase == PHASE_BINDING)
		fail(life, sk, btf, EADDRINUSE);
	else
		forget(life);
}
