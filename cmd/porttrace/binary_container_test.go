//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
)

// container is where a test has porttrace run.
type container struct {
	layout   testutil.CgroupLayout
	cgroupNS bool // the container sees its own cgroup as the root
}

var containers = []container{
	{testutil.Unified, false},
	{testutil.Hybrid, false},
	{testutil.Version1, false},
	{testutil.Unmounted, false},
	{testutil.Unified, true}, // docker run --privileged
	{testutil.Unmounted, true},
}

func (c container) String() string {
	if c.cgroupNS {
		return string(c.layout) + ", cgroup namespace"
	}
	return string(c.layout)
}

// Of the environment of a container's first process.
const (
	layoutEnv   = "PORTTRACE_TEST_CGROUPS"
	cgroupNSEnv = "PORTTRACE_TEST_CGROUPNS"
)

// contained has porttrace run as the first process of a container: with all privileges,
// and a process, mount and perhaps cgroup namespace of its own.
func (p *process) contained(in container) *process {
	p.t.Helper()
	own := testutil.NewCgroup(p.t, "porttrace-test-container-*")
	dir, err := os.Open(own.Dir)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { dir.Close() })
	p.cmd.Env = append(p.cmd.Env, roleEnv+"=container", layoutEnv+"="+string(in.layout))
	if in.cgroupNS {
		p.cmd.Env = append(p.cmd.Env, cgroupNSEnv+"=1")
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID, UseCgroupFD: true, CgroupFD: int(dir.Fd()),
	}
	return p.start()
}

// contain is the first process of a container, before it becomes porttrace.
func contain() int {
	runtime.LockOSThread()
	err := enterContainer(testutil.CgroupLayout(os.Getenv(layoutEnv)), os.Getenv(cgroupNSEnv) != "")
	if err == nil {
		os.Setenv(roleEnv, "porttrace")
		err = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "entering the container:", err)
	return 1
}

func enterContainer(layout testutil.CgroupLayout, cgroupNS bool) error {
	if cgroupNS {
		if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
			return err
		}
	}
	if err := testutil.EnterMountNS(layout); err != nil {
		return err
	}
	return unix.Mount("proc", "/proc", "proc", 0, "")
}

// From inside of a container the whole host is traced, with the host's process ids and
// the whole paths of cgroups: nothing is looked up by a number that means another process
// there.
func TestTraceFromContainer(t *testing.T) {
	for _, in := range containers {
		t.Run(in.String(), func(t *testing.T) {
			c := newClient(t, 40000, 40100)
			id := fmt.Sprintf("%064x", os.Getpid()) // as docker has them, and no other test
			own := testutil.NewCgroup(t, "docker-"+id+".scope")
			home := testutil.Cgroup{Dir: filepath.Dir(own.Dir)}
			own.Add(t, c.pid)
			t.Cleanup(func() { home.Add(t, c.pid) })
			c.do("open", 5) // out of sight in there: no hold of the trace
			p := prepare(t, "-q", "-o", "x.jsonl", fmt.Sprint("--netns=", c.ns.Inode)).contained(in).waitTracing()
			opened := c.do("open", 23)
			c.do("close")
			p.interrupt()
			records := whole(t, readFile(t, p.path("x.jsonl")))
			c.wantLifetimes(records, opened)
			for _, r := range c.own(records, lifetime.Release) {
				if o := r.Hold.Owner.Place.Value(); o.Cgroup != own.Path || o.Container != id {
					t.Errorf("the owner of %d is in cgroup %q, container %q, want %q", r.Hold.Port, o.Cgroup, o.Container, own.Path)
				}
			}
			p.wantNotice("a pid namespace of its own")
		})
	}
}

func TestDoctorInContainer(t *testing.T) {
	for _, in := range []container{{testutil.Version1, false}, {testutil.Unified, true}} {
		t.Run(in.String(), func(t *testing.T) {
			testutil.NeedBPF(t)
			p := prepare(t, "doctor").contained(in)
			p.wait(0)
			checkDoctor(p)
		})
	}
}
