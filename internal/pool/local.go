package pool

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"porttrace/internal/netns"
)

// IsLocal says whether bind() accepts an address in a namespace; it does if in doubt.
// pid is as in Get.
func (r *Ranges) IsLocal(inode, pid uint32, addr netip.Addr) bool {
	if !addr.IsValid() || addr.IsUnspecified() {
		return true
	}
	r.Get(inode, pid)
	k := r.known[inode]
	local, ok := k.local[addr]
	if !ok {
		if k.local == nil {
			k.local = map[netip.Addr]bool{}
		}
		local = isLocal(k.ns, addr)
		k.local[addr] = local
	}
	return local
}

// isLocal asks the kernel, which also knows of broadcasts, local routes and
// ip_nonlocal_bind. With IP_BIND_ADDRESS_NO_PORT the answer takes no port, and our own
// hooks do not see it.
func isLocal(ns netns.NS, addr netip.Addr) bool {
	err := ns.Do(func() error { return bindAddress(addr) })
	return !errors.Is(err, unix.EADDRNOTAVAIL)
}

func bindAddress(addr netip.Addr) error {
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: addr.As16()})
	if addr.Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Addr: addr.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return err
	}
	return unix.Bind(fd, to)
}
