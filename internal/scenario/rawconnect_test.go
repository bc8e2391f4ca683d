package scenario

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawConnect passes a socket address to connect() as it is.
func rawConnect(fd int, raw *unix.RawSockaddr) error {
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(raw)), unsafe.Sizeof(*raw))
	if errno != 0 {
		return errno
	}
	return nil
}
