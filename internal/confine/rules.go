package confine

import (
	"os"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// The filters list what is forbidden, and not what is allowed: what Go's runtime calls
// changes from release to release and with the kernel, and a tracer that dies on a
// production host because of that is worse than one that may still read a file.

// rules are what a filter does about system calls.
type rules struct {
	ignored []string // they succeed and do nothing
	refused []seccomp.SyscallGroup
}

// forAll is what no thread may do. Beside what the tracer has no use for there is what
// it has one use for: that use is allowed exactly.
func forAll() rules {
	return rules{refused: []seccomp.SyscallGroup{
		never(programs, processes, signals, network, machine, mounts, files),
		{Action: seccomp.ActionErrno, NamesWithCondtions: join(
			threadsOnly(), signalsToItself(), ownFlags(), bindOnly(), networkNamespacesOnly(),
			loadedPrograms(), terminalSizes(), newFilesOnly(),
		)},
		// whose arguments no filter sees, and whose callers know what to do without
		{Action: seccomp.Action(answer(unix.ENOSYS)), Names: []string{"clone3", "openat2"}},
	}}
}

// forLookers is what no thread may do but the one that makes the recording's files.
func forLookers() rules {
	return rules{refused: []seccomp.SyscallGroup{
		never([]string{"renameat2", "unlinkat", "linkat", "fchmod", "fchown"}),
		{Action: seccomp.ActionErrno, NamesWithCondtions: opens(
			condition{seccomp.BitsSet, unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC | newUnnamed},
		)},
	}}
}

// forHand keeps the thread that makes files from all else, and has what confines the
// other threads do nothing here (see confineOthers).
func forHand() rules {
	return rules{
		ignored: []string{"seccomp", "capset"},
		refused: []seccomp.SyscallGroup{never([]string{"bpf", "setns", "socket", "bind"})},
	}
}

func never(lists ...[]string) seccomp.SyscallGroup {
	return seccomp.SyscallGroup{Action: seccomp.ActionErrno, Names: join(lists...)}
}

func join[T any](lists ...[]T) []T {
	var all []T
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

var (
	programs = []string{"execve", "execveat", "uselib", "fork", "vfork"}

	processes = []string{
		"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease",
		"pidfd_getfd", "pidfd_send_signal", "kcmp", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
		"move_pages", "migrate_pages",
	}

	network = []string{
		"connect", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg", "socketpair",
		"io_uring_setup", "io_uring_enter", "io_uring_register", // which would do all of it unseen
	}

	machine = []string{
		"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
		"perf_event_open", "userfaultfd", "add_key", "request_key", "keyctl", "syslog", "acct",
		"swapon", "swapoff", "quotactl", "quotactl_fd", "iopl", "ioperm", "modify_ldt", "personality",
		"settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname",
		"fanotify_init", "vhangup", "lsm_set_self_attr",
	}

	mounts = []string{
		"mount", "umount2", "pivot_root", "chroot", "unshare", "move_mount", "open_tree", "open_tree_attr",
		"fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
	}

	files = []string{
		"creat", "truncate", "mknod", "mknodat", "mkdir", "mkdirat", "rmdir", "unlink", "link", "symlink",
		"symlinkat", "rename", "renameat", "chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat",
		"setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr",
		"removexattrat", "utime", "utimes", "utimensat", "futimesat", "memfd_create", "memfd_secret",
		"mq_open", "mq_unlink",
	}
)

// condition is of one argument; several are to be true together.
type condition struct {
	operation seccomp.Operation
	value     uint64
}

// deny refuses a call whose argument meets all conditions. Several of one call refuse it
// if any does. Comparisons are of 64 bits, of which the kernel takes 32 for most of these:
// only what is refused unless it is equal cannot be got round.
func deny(call string, argument uint32, conditions ...condition) seccomp.NameWithConditions {
	of := seccomp.NameWithConditions{Name: call}
	for _, c := range conditions {
		of.Conditions = append(of.Conditions, seccomp.Condition{Argument: argument, Operation: c.operation, Value: c.value})
	}
	return of
}

// only refuses a call whose argument is none of the values.
func only(call string, argument uint32, values ...uint64) seccomp.NameWithConditions {
	var none []condition
	for _, v := range values {
		none = append(none, condition{seccomp.NotEqual, v})
	}
	return deny(call, argument, none...)
}

func threadsOnly() []seccomp.NameWithConditions {
	return []seccomp.NameWithConditions{deny("clone", 0, condition{seccomp.BitsNotSet, unix.CLONE_THREAD})}
}

// signalsToItself: Go's runtime sends some to its threads.
func signalsToItself() []seccomp.NameWithConditions {
	self := uint64(os.Getpid())
	return []seccomp.NameWithConditions{only("kill", 0, self), only("tgkill", 0, self), only("prlimit64", 0, 0)}
}

// ownFlags leaves of fcntl what concerns a descriptor alone: a file can be told to signal any
// process of the same user (F_SETOWN, F_SETSIG).
func ownFlags() []seccomp.NameWithConditions {
	return []seccomp.NameWithConditions{only("fcntl", 1,
		unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL, unix.F_DUPFD_CLOEXEC)}
}

// bindOnly leaves a socket that can be bound and no more, by which is asked whether a
// namespace has an address.
func bindOnly() []seccomp.NameWithConditions {
	return []seccomp.NameWithConditions{
		only("socket", 0, unix.AF_INET, unix.AF_INET6),
		only("socket", 1, unix.SOCK_STREAM|unix.SOCK_CLOEXEC),
		only("socket", 2, 0),
	}
}

func networkNamespacesOnly() []seccomp.NameWithConditions {
	return []seccomp.NameWithConditions{only("setns", 1, unix.CLONE_NEWNET)}
}

// loadedPrograms leaves what runs iterators, attaches what is loaded, and reads maps: no
// program can be loaded any more.
func loadedPrograms() []seccomp.NameWithConditions {
	return []seccomp.NameWithConditions{only("bpf", 0,
		unix.BPF_MAP_LOOKUP_ELEM, unix.BPF_MAP_UPDATE_ELEM, unix.BPF_MAP_DELETE_ELEM, unix.BPF_MAP_GET_NEXT_KEY,
		unix.BPF_LINK_CREATE, unix.BPF_RAW_TRACEPOINT_OPEN, unix.BPF_ITER_CREATE, unix.BPF_OBJ_GET_INFO_BY_FD,
	)}
}

// terminalSizes leaves of ioctl what asks for a terminal's; others write to it.
func terminalSizes() []seccomp.NameWithConditions {
	return []seccomp.NameWithConditions{only("ioctl", 1, unix.TCGETS, unix.TIOCGWINSZ)}
}

// newUnnamed is what O_TMPFILE is without O_DIRECTORY.
const newUnnamed = unix.O_TMPFILE &^ unix.O_DIRECTORY

// newFilesOnly leaves of opening files for writing what package recording does: to make
// one that is not there, or to append to one that is, both through no link.
func newFilesOnly() []seccomp.NameWithConditions {
	set := func(bits uint64) condition { return condition{seccomp.BitsSet, bits} }
	not := func(bits uint64) condition { return condition{seccomp.BitsNotSet, bits} }
	return join(
		opens(set(unix.O_RDWR|unix.O_TRUNC|newUnnamed)),
		opens(set(unix.O_WRONLY), not(unix.O_APPEND)),
		opens(set(unix.O_WRONLY), not(unix.O_NOFOLLOW)),
		opens(set(unix.O_CREAT), not(unix.O_EXCL)),
		opens(set(unix.O_CREAT), not(unix.O_WRONLY)),
	)
}

// opens refuses every way to open a file with flags that meet the conditions.
func opens(conditions ...condition) []seccomp.NameWithConditions {
	return []seccomp.NameWithConditions{
		deny("open", 1, conditions...), deny("openat", 2, conditions...), deny("open_by_handle_at", 2, conditions...),
	}
}
