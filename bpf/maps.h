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
const volatile __u32 version1;     /* the hierarchy of cgroup v1 that is asked; 0: none */
const volatile __u32 version1_subsys; /* its enum cgroup_subsys_id */
const volatile bool sees_refusals; /* cgroup hooks may call bpf_get_retval() (6.1) */
const volatile bool exact;         /* the fentry set is at work: nothing is left to looks */
const volatile bool by_address;    /* this kernel gives tracing programs no socket cookies */

/* Go reads it (Variable.Get). Each slot: events that could not be told. */
__u64 losses[LOSSES];

/* Go reads it. Calls that the second instances of hooks took over (see calls.h). */
__u64 rescued;

/* What a look over the kernel's sockets is for; Go writes it before each. */
enum look_mode {
	LOOK_FIRST,  /* take in every hold there is: no hook told of any until now */
	LOOK_STATES, /* tell the holds that are followed */
	LOOK_AUDIT,  /* take in those that two audits in a row find, followed by nobody */
};

__u32 look_mode;

/* Boottime ns when all hooks were attached; Go writes it before the first look. What began
 * before may have met only some of them. */
__u64 attached;

/* Go writes them before each audit: its number; and 0, which the audit raises for all
 * that the next one may have to correct: a hook may be about to tell. */
__u32 audit_number;
__u64 suspects;
__u64 refusals; /* 0, which the audit raises for all that it found no room for */

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
	PHASE_CLAIMED,    /* a hook has seen the port, and is about to tell of it */
	PHASE_OVER,       /* its end is told; the socket's next hold takes the entry over */
	PHASE_HELD,
	PHASE_SHARED,     /* held together with the mini-socket that took over */
};

struct life {
	struct hold hold; /* first, as in tw_life: tell_held() */
	__u64 sk;     /* address; what is there may be another socket by now (has_port) */
	__u64 asked;  /* boottime ns when the port was asked for */
	__u64 tw;     /* address of the mini-socket of PHASE_SHARED, in the fentry set */
	__u32 phase;
	__u32 reason; /* of a close that is under way and keeps an explicit port */
	__u32 amiss;  /* twice the number of the audit that found it gone, plus 1: in another state */
	struct bpf_spin_lock lock; /* who leaves a phase that others may leave, too: advance() */
};

/* Per full socket, by cookie (by_address: its address): from the first question for a port until the port is put
 * back. Inserted by the hooks and, for sockets older than the trace or missed by it, by
 * the iterators; deleted by the hook that sees the end, or by the roll call that finds
 * it gone. A hash table and not socket storage, which
 * costs two allocations a socket. The size is that of the table of buckets too, whose
 * cache misses are what an insertion costs: four times as many take 0.1 us more. Full:
 * counted in losses[LOSS_MAP], and that hold is not followed. Go sets the size of this
 * map and the next (--max-holds). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 18);
	__type(key, __u64);
	__type(value, struct life);
} sockets SEC(".maps");

/* A mini-socket shares cookie, hash and ports with the socket it replaces; a socket
 * connected twice can leave two, so the cookie alone is not enough. by_address: the
 * mini-socket's address stands in the cookie's place. */
struct tw_key {
	__u64 cookie;
	__u32 hash;
	__u16 port, dst_port;
};

struct tw_life {
	struct hold hold;
	__u64 tw;       /* address; what is there may be another one by now */
	__u64 ended;    /* the timer ended before the full socket handed the hold over; in the
			 * fentry set: the timer ended it */
	__u32 claimed;  /* the full socket has handed its hold over */
	__u32 shared;   /* the full socket keeps the port too, and releases it */
	__u32 amiss;    /* twice the number of the audit that found it gone */
	__u32 pad;
	__u64 slept;    /* ns the machine had been suspended when it began: boottime - monotonic */
};

/* Per time-wait mini-socket of a traced socket. tw_start inserts, leaving() fills in
 * the hold, the end of the timer deletes (in the fentry set tw_birth does both, and
 * tw_end deletes), or the roll call that finds it gone; look_tw
 * inserts those older than the trace or missed by it. Full: counted in
 * losses[LOSS_MAP]; the hold ends as if the socket had not left a mini-socket. */
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
	__u64 stranger; /* nobody follows it, and life is another's */
	struct tw_key key;
	struct tw_life life;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cancelled);
} cancels SEC(".maps");

/* When the search for a port under way on this CPU began. Overwritten by the next; a
 * search that moved to another CPU is reported as not measured, and so is one whose entry
 * two tasks that preempted each other have written half of. */
struct search {
	__u64 of; /* low_half() of the socket, plus began */
	__u64 began;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct search);
} searches SEC(".maps");

/* UDP sockets, by address, that are inside a call which may take or give up a port: the
 * path (enum port_path). The entry of bind() and connect() inserts, their return deletes;
 * read where the port is found or put back. There are never more than tasks. Full:
 * counted in losses[LOSS_MAP], for the path told is then wrong. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 14);
	__type(key, __u64);
	__type(value, __u8);
} udp_calls SEC(".maps");

struct netns_port {
	__u32 netns;
	__u32 port;
};

/* Ports that have or had a listener, written by listening(), tcp_searched() and by
 * look_tcp (listeners come first; a mini-socket out of the range had one), read by the
 * looks to tell accepted sockets and their mini-sockets from those that hold a port.
 * Full: the oldest goes, and what it accepted may be taken for a hold. */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, struct netns_port);
	__type(value, __u8);
} listeners SEC(".maps");

/* Ports whose sockets left a mini-socket and were followed by nobody, which
 * was right: accepted, or bound by number where that is not wanted. Written as the
 * mini-socket comes, read by the looks, which could take it for one that was missed. Full:
 * the oldest goes, and a look may do so. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, struct netns_port);
	__type(value, __u8);
} strangers SEC(".maps");

/* Owners of MPTCP sockets by the address of their first subflow, written by
 * look_files, read by look_tcp. Full: the oldest goes, and that owner stays unknown.
 * Emptied by Go after each look. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, __u64);
	__type(value, struct owner);
} subflows SEC(".maps");

/* Sockets that nobody follows and that should be, by cookie: the number of the audit
 * that found them, which audits write and read. Full: the oldest goes, and is found
 * again by a later audit. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, __u64);
	__type(value, __u32);
} strays SEC(".maps");

/* The call that the first instance of a hook has had and the second has not yet seen (see
 * calls.h), by the place of its stack: entries stand for 8 KiB each, which no two stacks
 * have in common. Written by the first, cleared by the second. */
#define CALL_PLACE 13
#define CALL_PLACES (1 << 19)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CALL_PLACES);
	__type(key, __u32);
	__type(value, __u32);
} calls SEC(".maps");

/* Switches to a task and from it, as seen by `switched`; Go reads it, and no hook
 * needs it. Full: further tasks are not counted. */
struct switches {
	__u32 to, from;
	__u8 comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 13);
	__type(key, __u32);
	__type(value, struct switches);
} switched_tasks SEC(".maps");

/* Each hierarchy numbers its cgroups by itself. */
struct cgroup_key {
	__u64 id;
	__u32 hierarchy;
	__u32 pad;
};

/* Paths of cgroups that were removed, written by cgroup_gone; Go reads it for owners
 * whose cgroup is gone when their event is read. Full: the oldest goes. */
struct cgroup_path {
	__u8 path[512]; /* a longer one is cut, and then not taken */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 11);
	__type(key, struct cgroup_key);
	__type(value, struct cgroup_path);
} gone_cgroups SEC(".maps");

static const struct cgroup_path no_path;

/* Room that an iterator works in; its stack is too small. Iterators run one at a time. */
struct scratch {
	struct event event;
	__u64 life[sizeof(struct life) / sizeof(__u64)]; /* a lock may not be in such a map */
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
