package confine

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"

	"porttrace/internal/privilege"
)

// takeForGood takes from every thread what would give it privileges back: what a program
// brings along that it executes, and what it would hand on to one. The bounding set needs
// CAP_SETPCAP; who has it not stays with a set that no_new_privs makes useless.
func takeForGood(held privilege.Set) error {
	if err := prctlOnAll(unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	if err := prctlOnAll(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); err != nil {
		return fmt.Errorf("emptying the ambient set: %w", err)
	}
	if !held.Has(unix.CAP_SETPCAP) {
		return nil
	}
	for bit := uintptr(0); bit < 64; bit++ {
		err := prctlOnAll(unix.PR_CAPBSET_DROP, bit, 0)
		if errors.Is(err, unix.EINVAL) { // there is none of this number
			return nil
		}
		if err != nil {
			return fmt.Errorf("emptying the bounding set: %w", err)
		}
	}
	return nil
}

func prctlOnAll(option, a, b uintptr) error {
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, option, a, b, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// capabilities are the arguments of capset, with nothing inheritable.
func capabilities(set privilege.Set) (*unix.CapUserHeader, *[2]unix.CapUserData) {
	var data [2]unix.CapUserData
	for i, half := range []uint32{uint32(set), uint32(set >> 32)} {
		data[i] = unix.CapUserData{Effective: half, Permitted: half}
	}
	return &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data
}

// keepOnThread leaves the calling thread these capabilities and no others.
func keepOnThread(set privilege.Set) error {
	head, data := capabilities(set)
	if err := unix.Capset(head, &data[0]); err != nil {
		return fmt.Errorf("giving up capabilities: %w", err)
	}
	return nil
}

// keepOnAll is keepOnThread for every thread.
func keepOnAll(set privilege.Set) error {
	head, data := capabilities(set)
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(head)), uintptr(unsafe.Pointer(data)), 0)
	runtime.KeepAlive(head)
	runtime.KeepAlive(data)
	if errno != 0 {
		return fmt.Errorf("giving up capabilities: %w", errno)
	}
	return nil
}
