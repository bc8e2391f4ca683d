//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"porttrace/internal/cgroup"
	"porttrace/internal/testutil"
)

// limitFiles is porttrace with few file descriptors.
func limitFiles() int {
	n, err := strconv.ParseUint(os.Getenv(filesEnv), 10, 64)
	if err == nil {
		err = unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n})
	}
	if err == nil {
		os.Setenv(roleEnv, "porttrace")
		err = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "limiting files:", err)
	return 1
}

const filesEnv = "PORTTRACE_TEST_FILES"

// However a trace ends, the kernel has nothing of it left.
func TestNothingStays(t *testing.T) {
	for _, signals := range [][]syscall.Signal{
		{syscall.SIGINT}, {syscall.SIGTERM}, {syscall.SIGKILL}, {syscall.SIGSTOP, syscall.SIGKILL},
	} {
		t.Run(fmt.Sprint(signals), func(t *testing.T) {
			c := newClient(t, 40000, 40100)
			before, mounts := loadedPrograms(t), cgroupMounts(t)
			p := tracing(t, "-q", "-o", "none", c.netns())
			c.do("open", 5)
			ids := p.programs()
			if len(ids) < 10 {
				t.Fatalf("%d programs are loaded", len(ids))
			}
			during := loadedPrograms(t)
			for _, id := range ids {
				if !during[id] || before[id] {
					t.Errorf("program %d is held: listed %t, and before that %t", id, during[id], before[id])
				}
			}
			for _, sig := range signals {
				p.signal(sig)
			}
			<-p.exited
			wantUnloaded(t, ids)
			for at, attached := range attachedToRoot(t) {
				for _, id := range ids {
					if attached[id] {
						t.Errorf("program %d is attached to the root cgroup still (%s)", id, at)
					}
				}
			}
			before.wantNoOrphans(t)
			if after := cgroupMounts(t); after != mounts {
				t.Errorf("cgroup mounts were\n%s\nand are\n%s", mounts, after)
			}
		})
	}
}

// A start is refused at every stage of loading and attaching, and leaves nothing.
func TestNothingStaysOfRefusedStart(t *testing.T) {
	testutil.NeedBPF(t)
	before := loadedPrograms(t)
	attaching := 0
	for files := 24; ; files += 12 {
		p := prepare(t, "-q", "-o", "x.jsonl", "--duration", "1ms")
		p.cmd.Env = append(p.cmd.Env, roleEnv+"=few files", filesEnv+"="+strconv.Itoa(files))
		p.start()
		<-p.exited
		if p.cmd.ProcessState.Success() {
			break
		}
		if files > 1000 {
			t.Fatalf("with %d files: %s", files, &p.stderr)
		}
		if strings.Contains(p.stderr.String(), "attaching ") {
			attaching++
		}
		before.wantNoOrphans(t)
	}
	if attaching == 0 {
		t.Error("it was never refused while attaching")
	}
}

// programSet is a set of programs in the kernel.
type programSet map[ebpf.ProgramID]bool

// loadedPrograms returns the programs that the kernel has, whoever loaded them.
func loadedPrograms(t *testing.T) programSet {
	t.Helper()
	all := programSet{}
	for id := ebpf.ProgramID(0); ; all[id] = true {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return all
		}
		if err != nil {
			t.Fatalf("listing BPF programs: %v", err)
		}
		id = next
	}
}

// wantNoOrphans waits until every program that is new has a process that holds it, or its
// link. One that is attached or pinned and left has none.
func (before programSet) wantNoOrphans(t *testing.T) {
	t.Helper()
	waitFor(t, "every BPF program belongs to a process", func() bool {
		loaded := loadedPrograms(t)
		for _, id := range heldPrograms(t, "*") { // after the list: processes end meanwhile
			delete(loaded, id)
		}
		for id := range loaded {
			if !before[id] {
				return false
			}
		}
		return true
	})
}

// attachedToRoot says which programs run for every process, by what they are attached as.
func attachedToRoot(t *testing.T) map[ebpf.AttachType]programSet {
	t.Helper()
	path, done, err := cgroup.OpenRoot()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	root, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	all := map[ebpf.AttachType]programSet{}
	for at := ebpf.AttachCGroupInetIngress; at <= ebpf.AttachCgroupUnixGetsockname; at++ {
		found, err := link.QueryPrograms(link.QueryOptions{Target: int(root.Fd()), Attach: at})
		if err != nil {
			continue // no type of cgroups, or not on this kernel
		}
		all[at] = programSet{}
		for _, p := range found.Programs {
			all[at][p.ID] = true
		}
	}
	if _, ok := all[ebpf.AttachCGroupSockOps]; !ok {
		t.Fatal("the kernel does not tell what is attached to the root cgroup")
	}
	return all
}

// cgroupMounts returns the mounts that a look for the root may make.
func cgroupMounts(t *testing.T) string {
	t.Helper()
	var found strings.Builder
	for line := range bytes.Lines(readFile(t, "/proc/self/mountinfo")) {
		if bytes.Contains(line, []byte(" - cgroup")) {
			found.Write(line)
		}
	}
	return found.String()
}
