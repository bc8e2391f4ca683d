//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/lifetime"
	"porttrace/internal/privilege"
	"porttrace/internal/testutil"
)

// given runs a copy of the program as nobody, with file capabilities.
func given(t *testing.T, set privilege.Set, args ...string) *process {
	t.Helper()
	testutil.Need(t, os.Geteuid() == 0, "root, to give a program capabilities")
	p := prepareCommand(t, "", args...)
	p.openFolder()
	file := filepath.Join(p.dir, "porttrace")
	copyProgram(t, file)
	// struct vfs_cap_data, revision 2, with the bit for effective (capability.h)
	var attribute bytes.Buffer
	for _, word := range []uint32{0x02000001, uint32(set), 0, uint32(set >> 32), 0} {
		_ = binary.Write(&attribute, binary.LittleEndian, word)
	}
	err := unix.Setxattr(file, "security.capability", attribute.Bytes(), 0)
	testutil.Need(t, !errors.Is(err, unix.ENOTSUP), "a file system in /tmp that keeps capabilities")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(p.path("out"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(p.path("out"), 65534, 65534); err != nil {
		t.Fatal(err)
	}
	p.cmd.Path, p.cmd.Args[0] = file, "porttrace"
	p.dir, p.cmd.Dir = p.path("out"), p.path("out")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return p
}

func copyProgram(t *testing.T, file string) {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		t.Fatal(err)
	}
}

// setOf is what a setcap line gives.
func setOf(t *testing.T, line string) privilege.Set {
	t.Helper()
	list, _, ok := strings.Cut(strings.TrimPrefix(line, "setcap "), "=ep ")
	if !ok {
		t.Fatalf("no setcap line: %q", line)
	}
	var set privilege.Set
	for name := range strings.SplitSeq(list, ",") {
		for _, c := range privilege.All {
			if strings.EqualFold(c.Name, name) {
				set |= 1 << c.Bit
			}
		}
	}
	return set
}

// With what the doctor says nobody traces as root does: every namespace, what was held
// before, owners with their cgroups.
func TestTraceWithoutRoot(t *testing.T) {
	set := setOf(t, privilege.Setcap("porttrace", true))
	c := newClient(t, 40000, 40100)
	before := c.do("open", 5)
	p := given(t, set, "-q", "-o", "x.jsonl", fmt.Sprint("--netns=", c.ns.Inode)).start().waitTracing()
	for _, th := range p.threads() {
		if held := th.set("CapEff"); held&^privilege.For(privilege.Looking) != 0 || th["NoNewPrivs"] != "1" || th["Seccomp"] != "2" {
			t.Errorf("thread %s: capabilities %x, no_new_privs %s, seccomp %s", th["Pid"], held, th["NoNewPrivs"], th["Seccomp"])
		}
	}
	opened := c.do("open", 23)
	c.do("close")
	p.interrupt()
	records := whole(t, readFile(t, p.path("x.jsonl")))
	for typ, want := range map[lifetime.Type][]uint16{
		lifetime.HeldAtStart: before, lifetime.Assign: opened, lifetime.Release: append(before, opened...),
	} {
		if got, want := ports(c.own(records, typ)), slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
			t.Errorf("of type %d are %d, want %d", typ, got, want)
		}
	}
	for _, r := range records {
		if r.Hold != nil && r.Hold.Owner.PID == uint32(c.pid) && r.Hold.Owner.Place.Value().Cgroup == "" {
			t.Errorf("type %d of %d: its cgroup is unknown", r.Type, r.Hold.Port)
			break
		}
	}
	if strings.Contains(p.stderr.String(), "is not seen: ") {
		t.Errorf("it says that something is not seen:\n%s", &p.stderr)
	}
}

// Each capability less is said, and takes what the table says.
func TestTraceWithFewerCapabilities(t *testing.T) {
	all := setOf(t, privilege.Setcap("porttrace", true))
	for _, lacked := range privilege.All {
		if !all.Has(lacked.Bit) {
			continue
		}
		t.Run(lacked.Name, func(t *testing.T) {
			c := newClient(t, 40000, 40100)
			set := all &^ (1 << lacked.Bit)
			stands := lacked.Without == "" && lacked.Bit != unix.CAP_SYSLOG // CAP_SYS_ADMIN for it
			if stands {
				set &^= 1 << unix.CAP_SYS_ADMIN
			}
			p := given(t, set, "--hooks", "stable", "-q", "-o", "x.jsonl", fmt.Sprint("--netns=", c.ns.Inode)).start()
			if lacked.Without == "" {
				p.wantRefusal(1, "not given ("+lacked.Name+")")
				return
			}
			p.waitTracing()
			p.wantNotice("without " + lacked.Name + " is not seen: " + lacked.Without)
			opened := c.do("open", 7)
			c.do("close")
			p.interrupt()
			c.wantLifetimes(whole(t, readFile(t, p.path("x.jsonl"))), opened)
		})
	}
}

func TestDoctorWithoutRoot(t *testing.T) {
	testutil.NeedBPF(t)
	p := given(t, setOf(t, privilege.Setcap("porttrace", true)), "doctor").start()
	p.wait(0)
	checkDoctor(p)
	if line := privilege.Setcap(p.cmd.Path, true); !strings.Contains(p.stdout.String(), line+"\n") {
		t.Errorf("it does not say %q:\n%s", line, &p.stdout)
	}
}
