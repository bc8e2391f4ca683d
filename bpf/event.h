/* What the kernel side tells: facts about one socket at one instant. Go's types are
 * generated from these (bpf2go); internal/probe/decode.go is the only reader. */
#pragma once

#include "kernel.h"

/* what happened */
enum event_kind {
	KIND_ASSIGN = 1,  /* a port was assigned */
	KIND_STATE,       /* a holder entered hold.state */
	KIND_RELEASE,     /* the port left the bind table */
	KIND_REVOKE,      /* the release just reported was the restart of a timer */
	KIND_EXPIRE,      /* the release just reported was that timer's expiry */
	KIND_FAILURE,     /* no port was found, or the tuple was refused */
	KIND_PENDING,     /* a UDP socket asks for a port; an iterator must look */
	KIND_HELD,        /* an iterator confirms it: held at this moment */
	KIND_TUPLE,       /* connect() gave a socket that had its port a destination */
	KIND_FOUND,       /* an iterator took it in: no hook had told of it */
};

/* how the port was chosen */
enum port_path {
	PATH_UNKNOWN,
	PATH_CONNECT,
	PATH_BIND,
	PATH_LISTEN,
	PATH_UDP_CONNECT,
	PATH_UDP_SEND,
	PATH_EXPLICIT,
};

enum port_state {
	STATE_BOUND,
	STATE_LISTEN,
	STATE_SYN_SENT,
	STATE_ESTABLISHED,
	STATE_CLOSE_WAIT,
	STATE_LAST_ACK,
	STATE_FIN_WAIT1,
	STATE_FIN_WAIT2,
	STATE_CLOSING,
	STATE_TIME_WAIT,
	STATES,
};

enum end_reason {
	REASON_NONE,
	REASON_CLOSED,
	REASON_TIME_WAIT_EXPIRED,
	REASON_TIME_WAIT_REUSED,
	REASON_TIME_WAIT_KILLED,
	REASON_RESET,
	REASON_REFUSED,
	REASON_TIMED_OUT,
	REASON_UNREACHABLE,
	REASON_ABORTED,
	REASON_DISCONNECTED,
	REASON_NETNS_DESTROYED,
	REASON_VANISHED,
};

/* where something got lost */
enum loss_place {
	LOSS_RING, /* the ring had no room */
	LOSS_MAP,  /* a map or socket storage refused an entry */
	LOSSES,
};

/* Who made the kernel assign the port. pid 0: unknown. */
struct owner {
	__u64 cgroup;              /* id in the default hierarchy */
	__u64 cgroup1;             /* id in the hierarchy of version 1 that is asked, 0: none is */
	__u32 pid, tid, uid;
	__u32 started;             /* the process, in clock ticks of 10 ms since boot */
	__u8 comm[16];
};

/* One socket's ownership of one port. (cookie, born) is its identity: a socket may
 * own several ports one after the other, never two born at the same instant. */
struct hold {
	__u64 cookie;
	__u64 born;                /* boottime ns when first seen; 0: no hold */
	__u64 assigned;            /* boottime ns, 0 unknown (before start) */
	__u64 since;               /* boottime ns, when state was entered */
	__u64 search;              /* ns the kernel searched, ~0 unknown */
	struct owner owner;
	__u64 in_state[STATES];    /* ns spent in each state, up to since */
	__u8 src[16];              /* IPv4 as ::ffff:a.b.c.d */
	__u8 dst[16];
	__u32 netns;               /* inode */
	__u16 port, dst_port;      /* host order; dst_port 0: dst unknown */
	__u8 proto, path, state;
	__u8 unclosed;             /* the kernel's own: no hook sees it close */
	__u8 searched;             /* of a failure: the kernel's search itself said so */
	__u8 pad[3];
};

struct event {
	__u64 time;                /* boottime ns */
	struct hold hold;
	__u16 range_lo, range_hi;  /* IP_LOCAL_PORT_RANGE of a failed search, 0 if none */
	__u16 error;               /* errno of a failure */
	__u8 kind, reason;
};

_Static_assert(sizeof(struct hold) == 216, "struct hold has holes");
_Static_assert(sizeof(struct event) == 232, "struct event has holes");
