package live

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/netns"
	"porttrace/internal/probe"
)

// hiding is the tasks that the kernel was seen to hide lately. While one of them runs no
// hook does: neither for its own system calls nor for the softirqs that interrupt it. The
// system calls of other processes run as others, and are seen.
type hiding struct {
	seen    map[probe.Task]sighting
	process func(probe.Task) process
}

type sighting struct {
	process
	at ktime.Time
}

// process is what a task is a thread of; zero: not known.
type process struct {
	pid   uint32
	netns uint32
}

// remembered is how long a task that was seen is taken to be about: it may sleep while the
// scheduler is watched for a later doubt.
const remembered = time.Minute

func (h *hiding) saw(tasks []probe.Task, now ktime.Time) {
	for task, s := range h.seen {
		if now > s.at.Add(remembered) {
			delete(h.seen, task)
		}
	}
	if h.seen == nil {
		h.seen = map[probe.Task]sighting{}
	}
	for _, task := range tasks {
		s, known := h.seen[task]
		if !known {
			s.process = h.process(task)
		}
		s.at = now
		h.seen[task] = s
	}
}

// explains says whether hidden tasks can be why no hook saw what somebody did. Their
// descriptors are hidden, too: the owner of their sockets is unknown, and all that is left
// to go by is the namespace.
func (h *hiding) explains(by lifetime.Doer, now ktime.Time) bool {
	for _, s := range h.seen {
		switch {
		case now > s.at.Add(remembered):
		case by.Softirq:
			return true
		case by.PID != 0 && by.PID == s.pid, by.PID == 0 && by.NetNS != 0 && by.NetNS == s.netns:
			return true
		}
	}
	return false
}

// tasks lists them by thread.
func (h *hiding) tasks(now ktime.Time) []probe.Task {
	var all []probe.Task
	for task, s := range h.seen {
		if now <= s.at.Add(remembered) {
			all = append(all, task)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].TID < all[j].TID })
	return all
}

// processOf looks a thread up in /proc, which in a pid namespace may have another one by this
// number.
func processOf(task probe.Task) process {
	dir := fmt.Sprintf("/proc/%d", task.TID)
	comm, err := os.ReadFile(dir + "/comm")
	if err != nil || strings.TrimSuffix(string(comm), "\n") != task.Comm {
		return process{}
	}
	status, _ := os.ReadFile(dir + "/status")
	var l process
	if _, tgid, ok := strings.Cut(string(status), "\nTgid:"); ok {
		fmt.Sscan(tgid, &l.pid)
	}
	if ns, err := netns.OfProcess(task.TID); err == nil {
		l.netns = ns.Inode
	} else if own, err := netns.Self(); err == nil && isOwnNetwork(dir) {
		l.netns = own.Inode
	}
	return l
}

// isOwnNetwork says whether the process behind a folder of /proc lives in our network
// namespace, where it keeps that to itself: files below net are each namespace's own.
func isOwnNetwork(dir string) bool {
	theirs, ours := inode(dir+"/net/dev"), inode("/proc/thread-self/net/dev")
	return theirs != 0 && theirs == ours
}

func inode(path string) uint64 {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0
	}
	return st.Ino
}
