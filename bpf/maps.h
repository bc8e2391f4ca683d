/* Options set before loading, and every map with its writers and readers. */
#pragma once

#include "event.h"

/* Options. Branches they disable vanish in the verifier. */
const volatile bool want_explicit; /* explicit binds are holds too */
const volatile bool want_states;   /* one event for each state entered */
const volatile bool want_ipv4 = true;
const volatile bool want_ipv6 = true;
const volatile bool want_tcp = true;
const volatile bool want_udp = true;
const volatile bool filter_ports;  /* only the ports set in ports[] */
const volatile __u64 ports[1024];  /* one bit a port */
const volatile __u32 only_netns;   /* inode; 0: all */
const volatile __u64 tw_handler;   /* address of tw_timer_handler() */
const volatile __u64 ring_wake;    /* wake the reader past so many bytes */

/* Go reads it (Variable.Get). Each slot: events that could not be told. */
__u64 losses[LOSSES];

/* Go reads it. Events that a hook's second instance took over (see nested.h). */
__u64 rescued;

/* Sample of both clocks, written by the program `clocks` and read by Go, which
 * writes the length of a jiffy before anything is attached. */
__u64 clock_jiffies, clock_boot, tick_ns;

/* All events go to Go through it. Full: the event is counted in losses[LOSS_RING]. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
	__type(value, struct event);
} events SEC(".maps");

/* What a socket is doing with its port. */
enum phase {
	PHASE_BINDING = 1, /* bind(port 0) entered; post_bind will tell the port */
	PHASE_CONNECTING,  /* a port was asked for and no hook has seen it yet */
	PHASE_HELD,
	PHASE_SHARED,     /* held together with the mini-socket that took over */
};

struct life {
	struct hold hold;
	__u64 asked;  /* boottime ns when the port was asked for */
	__u32 phase;
	__u32 reason; /* of a close that is under way and keeps an explicit port */
};

/* Per full socket, by cookie: from the first question for a port until the port is put
 * back. Inserted by the hooks and, for sockets older than the trace, by the iterators;
 * deleted by the hook that sees the end. A hash table and not socket storage, which
 * costs two allocations a socket. The size is that of the table of buckets too, whose
 * cache misses are what an insertion costs: four times as many take 0.1 us more. Full:
 * counted in losses[LOSS_MAP], and that hold is not followed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 18);
	__type(key, __u64);
	__type(value, struct life);
} sockets SEC(".maps");

/* A mini-socket shares cookie, hash and ports with the socket it replaces; a socket
 * connected twice can leave two, so the cookie alone is not enough. */
struct tw_key {
	__u64 cookie;
	__u32 hash;
	__u16 port, dst_port;
};

struct tw_life {
	struct hold hold;
	__u64 ended;    /* the timer ended before the full socket handed the hold over */
	__u32 claimed;  /* the full socket has handed its hold over */
	__u32 shared;   /* the full socket keeps the port too, and releases it */
};

/* Per time-wait mini-socket of a traced socket. tw_start inserts, leaving() fills in
 * the hold, the end of the timer deletes; look_tw inserts those older than the trace.
 * Full: counted in losses[LOSS_MAP]; the hold is then found gone by a later look. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 18);
	__type(key, struct tw_key);
	__type(value, struct tw_life);
} time_waits SEC(".maps");

/* A restarted timer is first cancelled, then started, without anything in between on
 * that CPU; a killed one is only cancelled. What the cancel took away waits here. */
struct cancelled {
	__u64 tw; /* address, 0: none */
	__u64 at;
	__u64 since; /* when it entered TIME_WAIT, if no hook has seen that; else 0 */
	struct tw_key key;
	struct tw_life life;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cancelled);
} cancels SEC(".maps");

/* When the connect() under way on this CPU began its search. Overwritten by the next;
 * a search that moved to another CPU is reported as not measured. */
struct search {
	__u64 sk;
	__u64 began;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct search);
} searches SEC(".maps");

/* Ports with a listener, per namespace, filled by look_tcp (listeners come first) and
 * read for mini-sockets whose origin the kernel does not tell. Full: such a
 * mini-socket may be taken for a hold. Emptied by Go before each look. */
struct listener {
	__u32 netns;
	__u32 port;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, struct listener);
	__type(value, __u8);
} listeners SEC(".maps");

/* Owners of MPTCP sockets by the address of their first subflow, written by
 * look_files, read by look_tcp. Full: the oldest goes, and that owner stays unknown.
 * Emptied by Go after each look. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, __u64);
	__type(value, struct owner);
} subflows SEC(".maps");

/* What a hook's first instance has handled on this CPU and its second has not yet seen
 * (see nested.h). Two entries: an interrupt may come in between. */
struct handled {
	__u64 sk[2];
	__u32 what[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct handled);
} handled_events SEC(".maps");

/* Room that an iterator works in; its stack is too small. Iterators run one at a time. */
struct scratch {
	struct event event;
	struct life life;
	struct tw_life tw;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static const struct tw_life no_tw_life;
static const __u32 zero;
