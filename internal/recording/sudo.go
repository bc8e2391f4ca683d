package recording

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// invoker is the user who ran sudo.
type invoker struct{ uid, gid int }

// invoker returns nil where the process is not root's or not run through sudo.
func (o Options) invoker() (*invoker, error) {
	if os.Geteuid() != 0 || o.SudoUID == "" && o.SudoGID == "" {
		return nil, nil
	}
	uid, err := parseID("SUDO_UID", o.SudoUID)
	if err != nil {
		return nil, err
	}
	gid, err := parseID("SUDO_GID", o.SudoGID)
	if err != nil {
		return nil, err
	}
	return &invoker{uid, gid}, nil
}

// parseID takes decimal digits only, without leading zeros, and not the number that
// the kernel reads as "no change".
func parseID(name, s string) (int, error) {
	v, err := strconv.ParseUint(s, 10, 32)
	if err != nil || strconv.FormatUint(v, 10) != s || v == 1<<32-1 {
		return 0, fmt.Errorf("%s=%q is no id: run porttrace through sudo, or unset SUDO_UID and SUDO_GID", name, s)
	}
	return int(v), nil
}

// errNoSwitch is where the process may not take on a user's rights.
var errNoSwitch = errors.New("taking on the rights of the user who ran sudo")

// try runs fn with the user's rights to files, and where these do not suffice again with
// the process's own, elevated then being true. A nil user is the process's own.
func (u *invoker) try(fn func(elevated bool) error) error {
	if u == nil {
		return fn(false)
	}
	err := u.do(func() error { return fn(false) })
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return fn(true)
	}
	return err
}

// do runs fn with the user's rights, which the kernel checks at each step of a path, and
// so that what fn makes is the user's own. The user's further groups do not count.
func (u *invoker) do(fn func() error) error {
	done := make(chan error)
	go func() {
		// The ids of file access belong to the thread. It is never unlocked, so the
		// runtime ends it with the goroutine, and no other code runs with them.
		runtime.LockOSThread()
		err := u.become()
		if err == nil {
			err = fn()
		}
		done <- err
	}()
	return <-done
}

// become gives the calling thread the user's rights to files, for good.
func (u *invoker) become() error {
	// Raw, for package syscall would change every thread.
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
		return fmt.Errorf("%w: dropping groups: %w", errNoSwitch, errno)
	}
	if err := unix.Setfsgid(u.gid); err != nil {
		return fmt.Errorf("%w: %w", errNoSwitch, err)
	}
	if err := unix.Setfsuid(u.uid); err != nil {
		return fmt.Errorf("%w: %w", errNoSwitch, err)
	}
	// Neither call reports a refusal; asking for an impossible id tells the present one.
	uid, _ := unix.SetfsuidRetUid(-1)
	gid, _ := unix.SetfsgidRetGid(-1)
	if uid != u.uid || gid != u.gid {
		return fmt.Errorf("%w: %w", errNoSwitch, unix.EPERM)
	}
	return nil
}
