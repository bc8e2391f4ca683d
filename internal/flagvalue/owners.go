package flagvalue

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// maxPID is PID_MAX_LIMIT of 64-bit kernels.
const maxPID = 4194304

// PIDs is a set of process ids.
type PIDs struct {
	list []uint32
}

// Set adds a comma list of ids from 1 to 4194304.
func (p *PIDs) Set(list string) (err error) {
	p.list, err = parseList(p.list, list, parsePID, cmp.Compare)
	return err
}

// String returns the ids in ascending order.
func (p *PIDs) String() string { return joinList(p.list, formatID) }

// Type names the value in help texts.
func (*PIDs) Type() string { return "LIST" }

// List returns the ids in ascending order. The caller owns it.
func (p *PIDs) List() []uint32 { return slices.Clone(p.list) }

func parsePID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == 0 || n > maxPID {
		return 0, fmt.Errorf("%q: want a process id from 1 to %d (for a program's name: --comm)", s, maxPID)
	}
	return uint32(n), nil
}

// UIDs is a set of user ids.
type UIDs struct {
	list []uint32
}

// Set adds a comma list of user ids and user names.
func (u *UIDs) Set(list string) (err error) {
	u.list, err = parseList(u.list, list, parseUID, cmp.Compare)
	return err
}

// String returns the ids in ascending order, as numbers.
func (u *UIDs) String() string { return joinList(u.list, formatID) }

// Type names the value in help texts.
func (*UIDs) Type() string { return "LIST" }

// List returns the ids in ascending order. The caller owns it.
func (u *UIDs) List() []uint32 { return slices.Clone(u.list) }

func parseUID(s string) (uint32, error) {
	if strings.Trim(s, "0123456789") == "" {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil || n == math.MaxUint32 { // (uid_t)-1 is no user
			return 0, fmt.Errorf("%q: want a user id from 0 to %d", s, uint32(math.MaxUint32-1))
		}
		return uint32(n), nil
	}
	account, err := user.Lookup(s)
	if unknown := user.UnknownUserError(""); errors.As(err, &unknown) {
		return 0, fmt.Errorf("%q: no such user here: give the user id", s)
	}
	if err != nil {
		return 0, fmt.Errorf("looking up user %q: %w: give the user id", s, err)
	}
	n, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("user %q has id %q: give the user id as a number", s, account.Uid)
	}
	return uint32(n), nil
}

func formatID(id uint32) string { return strconv.FormatUint(uint64(id), 10) }

// maxComm is TASK_COMM_LEN without the NUL.
const maxComm = 15

// Comms is a set of task names as the kernel keeps them: up to 15 bytes of any value
// but NUL. A name may hold commas, so each Set adds one.
type Comms struct {
	list []string
}

// Set adds one name.
func (c *Comms) Set(name string) error {
	switch {
	case name == "":
		return errors.New("empty: leave the flag out, or give a name as in /proc/PID/comm")
	case len(name) > maxComm:
		return fmt.Errorf("%q is %d bytes long: the kernel keeps %d bytes: give %q",
			name, len(name), maxComm, name[:maxComm])
	case strings.Contains(name, "\x00"):
		return fmt.Errorf("%q: a name cannot hold a NUL byte", name)
	}
	if !slices.Contains(c.list, name) {
		c.list = append(c.List(), name)
		slices.Sort(c.list)
	}
	return nil
}

// String returns the sorted names joined by commas, for show: of several names, or one
// with a comma, List keeps them apart.
func (c *Comms) String() string { return strings.Join(c.list, ",") }

// Type names the value in help texts.
func (*Comms) Type() string { return "NAME" }

// List returns the sorted names. The caller owns it.
func (c *Comms) List() []string { return slices.Clone(c.list) }
