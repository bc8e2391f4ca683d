package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// socketRow is a line of /proc/net/tcp and its likes (proc_net_tcp in the kernel's
// Documentation/networking).
type socketRow struct {
	port  int // local
	inode uint64
}

func socketTable(name string, v6 bool) ([]socketRow, error) {
	if v6 {
		name += "6"
	}
	text, err := os.ReadFile("/proc/net/" + name)
	if err != nil {
		return nil, fmt.Errorf("listing sockets: %w", err)
	}
	return parseSockets(string(text)), nil
}

func parseSockets(text string) (rows []socketRow) {
	const local, inode = 1, 9
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) <= inode {
			continue
		}
		_, hex, _ := strings.Cut(f[local], ":")
		port, err := strconv.ParseUint(hex, 16, 16)
		if err != nil {
			continue // the line of titles
		}
		n, _ := strconv.ParseUint(f[inode], 10, 64) // of a mini-socket it is 0 as well
		rows = append(rows, socketRow{int(port), n})
	}
	return rows
}

// tcpEnds is every local end that is listed, those in TIME_WAIT among them.
func tcpEnds() (map[end]bool, error) {
	ends := map[end]bool{}
	for _, v6 := range []bool{false, true} {
		rows, err := socketTable("tcp", v6)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			ends[end{v6, r.port}] = true
		}
	}
	return ends, nil
}

// udpPortOf looks a socket up without its noticing.
func udpPortOf(fd int, v6 bool) (int, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("looking for a socket's port: %w", err)
	}
	rows, err := socketTable("udp", v6)
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		if r.inode == st.Ino {
			return r.port, nil
		}
	}
	return 0, fmt.Errorf("looking for a socket's port: the kernel lists no socket %d", st.Ino)
}
