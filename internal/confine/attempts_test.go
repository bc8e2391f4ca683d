package confine_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// attempts are what no confined thread may do. The folder is that of the recording.
func attempts(folder string) []attempt {
	beside := filepath.Dir(folder)
	theirs, fresh := filepath.Join(beside, "theirs"), filepath.Join(beside, "fresh")
	var all []attempt
	add := func(what string, do func() error) { all = append(all, attempt{what, false, do}) }

	add("exec", func() error { return syscall.Exec("/bin/true", []string{"true"}, nil) })
	add("exec of what is open", call(unix.SYS_EXECVEAT, 0, text(""), 0, 0, unix.AT_EMPTY_PATH))
	add("starting a program", func() error { return exec.Command("/bin/true").Run() })
	add("fork", call(unix.SYS_CLONE, uintptr(unix.SIGCHLD)))
	add("ptrace", call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(os.Getppid())))
	add("writing to another's memory", call(unix.SYS_PROCESS_VM_WRITEV, uintptr(os.Getppid())))
	add("a signal to another", func() error { return unix.Kill(os.Getppid(), 0) })
	add("a signal to another's thread", func() error { return unix.Tgkill(os.Getppid(), os.Getppid(), 0) })

	add("having a file signal another", call(unix.SYS_FCNTL, 0, unix.F_SETOWN, uintptr(os.Getppid())))
	add("having it send another signal", call(unix.SYS_FCNTL, 0, unix.F_SETSIG, uintptr(unix.SIGTERM)))

	for what, flags := range map[string]int{
		"writing": os.O_WRONLY, "reading and writing": os.O_RDWR, "cutting": os.O_TRUNC,
		"appending": os.O_WRONLY | os.O_APPEND,
	} {
		add("opening a file for "+what, open(theirs, flags))
		add("opening one in the folder for "+what, open(filepath.Join(folder, "other"), flags))
	}
	add("writing to our own memory", open("/proc/self/mem", os.O_RDWR))
	add("making a file", open(fresh, os.O_CREATE|os.O_RDWR|os.O_EXCL))
	add("making a file by reading", open(fresh, os.O_CREATE))
	add("making a file without a name", open(beside, unix.O_TMPFILE|os.O_WRONLY))
	add("making a folder", func() error { return unix.Mkdir(fresh, 0o700) })
	add("making a link", func() error { return unix.Symlink("/", fresh) })
	add("making a node", func() error { return unix.Mknod(fresh, unix.S_IFIFO, 0) })
	add("cutting a file", func() error { return unix.Truncate(theirs, 0) })
	add("changing a mode", func() error { return unix.Chmod(theirs, 0o777) })
	add("changing an owner", func() error { return unix.Lchown(theirs, 65534, 65534) })
	add("changing attributes", func() error { return unix.Setxattr(theirs, "user.x", []byte("x"), 0) })
	for what, do := range map[string]func() error{ // as the recording does it, but elsewhere
		"making a file as recordings are": open(fresh, os.O_WRONLY|unix.O_APPEND|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW),
		"opening one to adopt it":         open(theirs, os.O_WRONLY|unix.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK),
		"renaming a file": func() error {
			return unix.Renameat2(unix.AT_FDCWD, theirs, unix.AT_FDCWD, fresh, unix.RENAME_NOREPLACE)
		},
		"removing a file": func() error { return unix.Unlinkat(unix.AT_FDCWD, theirs, 0) },
	} {
		all = append(all, attempt{what, true, do})
	}

	add("connecting", func() error { return withSocket(unix.AF_INET, unix.SOCK_STREAM, connect) })
	add("listening", func() error {
		return withSocket(unix.AF_INET, unix.SOCK_STREAM, func(fd int) error { return unix.Listen(fd, 1) })
	})
	add("connecting by sending", func() error {
		return withSocket(unix.AF_INET, unix.SOCK_STREAM, func(fd int) error {
			return unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}})
		})
	})
	for what, of := range map[string][2]int{
		"UDP": {unix.AF_INET, unix.SOCK_DGRAM}, "UNIX": {unix.AF_UNIX, unix.SOCK_STREAM},
		"netlink": {unix.AF_NETLINK, unix.SOCK_RAW}, "packet": {unix.AF_PACKET, unix.SOCK_RAW},
	} {
		add("a socket of "+what, func() error { return withSocket(of[0], of[1], func(int) error { return nil }) })
	}
	return append(all, ofTheKernel()...)
}

func ofTheKernel() []attempt {
	var all []attempt
	for what, do := range map[string]func() error{
		"mounting":                    call(unix.SYS_MOUNT, text("none"), text("/mnt"), text("tmpfs")),
		"other mounts":                call(unix.SYS_UNSHARE, unix.CLONE_NEWNS),
		"entering a user's namespace": call(unix.SYS_SETNS, 0, unix.CLONE_NEWUSER),
		"entering any namespace":      call(unix.SYS_SETNS, 0, 0),
		"another root":                call(unix.SYS_CHROOT, text("/")),
		"loading a BPF program":       call(unix.SYS_BPF, unix.BPF_PROG_LOAD),
		"making a BPF map":            call(unix.SYS_BPF, unix.BPF_MAP_CREATE),
		"loading a module":            call(unix.SYS_INIT_MODULE),
		"another kernel":              call(unix.SYS_KEXEC_LOAD),
		"the end of this kernel":      call(unix.SYS_REBOOT),
		"io_uring":                    call(unix.SYS_IO_URING_SETUP, 1),
		"performance counters":        call(unix.SYS_PERF_EVENT_OPEN),
		"the clock":                   call(unix.SYS_CLOCK_SETTIME),
		"the host's name":             call(unix.SYS_SETHOSTNAME),
		"a key":                       call(unix.SYS_KEYCTL),
		"typing into a terminal":      call(unix.SYS_IOCTL, 0, unix.TIOCSTI),
		"a call of the future":        call(999),
	} {
		all = append(all, attempt{what, false, do})
	}
	return all
}

func open(path string, flags int) func() error {
	return func() error {
		fd, err := unix.Open(path, flags, 0o600)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
}

func withSocket(family, kind int, do func(fd int) error) error {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return do(fd)
}

func connect(fd int) error {
	return unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}})
}
