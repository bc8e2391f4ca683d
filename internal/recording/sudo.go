package recording

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"porttrace/internal/thread"
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

// hand makes, renames and removes a recording's files, all on one thread of its own. No
// other opens anything for writing, so each can be confined to what it does.
type hand struct {
	*thread.Kept
	user *invoker // nil: the process's own rights
}

// try runs fn with the user's rights to files, and where these do not suffice again with
// the process's own, elevated then being true. Without a user it runs with those at once.
func (h *hand) try(fn func(elevated bool) error) (err error) {
	h.Do(func() {
		if h.user == nil {
			err = fn(false)
			return
		}
		err = h.user.do(func() error { return fn(false) })
		if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
			err = fn(true)
		}
	})
	return err
}

// do runs fn with the user's rights, which the kernel checks at each step of a path, and
// so that what fn makes is the user's own. The user's further groups do not count. The
// ids of file access belong to the thread, which is to run nothing else meanwhile, and
// whose further groups are gone for good.
func (u *invoker) do(fn func() error) error {
	// Raw, for package syscall would change every thread.
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
		return fmt.Errorf("%w: dropping groups: %w", errNoSwitch, errno)
	}
	home := invoker{os.Geteuid(), os.Getegid()}
	err := u.become()
	if err == nil {
		err = fn()
	}
	// Back, which needs no privilege: the kernel allows the effective ids.
	return errors.Join(err, home.become())
}

// become gives the calling thread a user's rights to files. The group goes first: taking
// it needs a capability that is not the user's.
func (u *invoker) become() error {
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
