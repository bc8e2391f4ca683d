//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
	"porttrace/internal/testutil/need"
	"porttrace/internal/thread"
)

// Of the environment of a porttrace that sees a host of the test's own: the folder with its
// /etc/passwd, /var and /run, and who lives in the network namespace named there.
const (
	hostEnv   = "PORTTRACE_TEST_HOST"
	livingEnv = "PORTTRACE_TEST_LIVING"
)

// namespace is what the network namespace is called on that host.
const namespace = "cni-0f6f2c7e"

// on has porttrace see this folder's files where the host has its own.
func (p *process) on(host string, pid int) *process {
	p.cmd.Env = append(p.cmd.Env, roleEnv+"=host", hostEnv+"="+host, livingEnv+"="+strconv.Itoa(pid))
	return p
}

// furnish makes the mounts of such a host, before the process becomes porttrace.
func furnish() int {
	runtime.LockOSThread()
	host := os.Getenv(hostEnv)
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, "")
	}
	name := host + "/run/netns/" + namespace
	for _, bind := range [][2]string{
		{"/proc/" + os.Getenv(livingEnv) + "/ns/net", name},
		{host + "/etc/passwd", "/etc/passwd"}, {host + "/var", "/var"}, {host + "/run", "/run"},
	} {
		if err == nil {
			err = unix.Mount(bind[0], bind[1], "", unix.MS_BIND|unix.MS_REC, "")
		}
	}
	if err == nil {
		os.Setenv(roleEnv, "porttrace")
		err = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "furnishing the host:", err)
	return 1
}

// write makes a file of that host.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

const podUID = "0f6f2c7e-54b2-4a11-9f7a-3e1a7d8b9c00"

// A container of a real runtime, in a pod as the kubelet would have it: what it holds is
// told with all names that the host's files have for it, also when it is gone.
func TestOwnerInContainer(t *testing.T) {
	testutil.NeedBPF(t)
	crun, err := exec.LookPath("crun")
	need.That(t, err == nil, "crun")
	id := fmt.Sprintf("%064x", os.Getpid())
	above := testutil.NewCgroup(t, "porttrace-test-crun-*")
	path := above.Path + "/kubepods/burstable/pod" + podUID + "/" + id
	c := startCrun(t, crun, above, id, path)

	host := t.TempDir()
	write(t, host+"/etc/passwd", "admin:x:0:0::/root:/bin/sh\n")
	write(t, host+"/run/netns/"+namespace, "")
	write(t, host+"/var/log/pods/prod_shop-1_"+podUID+"/shop/0.log", "")
	write(t, host+"/var/log/pods/prod_shop-1_"+podUID+"/sidecar/0.log", "")
	write(t, host+"/var/log/containers/.keep", "")
	if err := os.Symlink("/var/log/pods/prod_shop-1_"+podUID+"/shop/0.log", host+"/var/log/containers/shop-1_prod_shop-"+id+".log"); err != nil {
		t.Fatal(err)
	}

	p := prepare(t, "-q", "-o", "x.jsonl", fmt.Sprint("--netns=", c.ns.Inode)).on(host, c.pid).start().waitTracing()
	opened := c.do("open", 23)
	c.do("close")
	c.end() // some of its ports are in TIME_WAIT now, or it does not matter
	p.interrupt()
	records := whole(t, readFile(t, p.path("x.jsonl")))
	c.wantLifetimes(records, opened)
	want := lifetime.Place{
		Cgroup: path, Container: id, ContainerName: "shop",
		Pod: "shop-1", PodNamespace: "prod", PodUID: podUID, QoS: "burstable",
	}
	for _, r := range c.own(records, lifetime.Release) {
		o := r.Hold.Owner
		if got := o.Place.Value(); got != want {
			t.Fatalf("port %d is held in\n%+v, want\n%+v", r.Hold.Port, got, want)
		}
		program := lifetime.Program{Exe: inContainer, Cmdline: inContainer + " of a pod"}
		if o.Program.Value() != program || o.User.Value() != "admin" || r.Hold.NetNSName.Value() != namespace {
			t.Fatalf("port %d is held by %v in %v, want %v of admin in %s", r.Hold.Port, o, r.Hold.NetNSName, program, namespace)
		}
	}
}

// inContainer is where a container has this binary.
const inContainer = "/client"

// startCrun starts a client in a container of crun's, with what the binary needs of this
// host mounted into it.
func startCrun(t *testing.T, crun string, above testutil.Cgroup, id, path string) *clientProcess {
	t.Helper()
	ns := testutil.NewNetNS(t)
	ns.Sysctl(t, "ipv4/ip_local_port_range", "40000 40100")
	bundle := t.TempDir()
	holder := make(chan string)
	ns.Do(func() { go func() { holder <- fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid()) }() })
	_ = holder
	writeBundle(t, bundle, path, ns)
	pidFile := filepath.Join(bundle, "pid")
	cmd := exec.Command(crun, "--root", filepath.Join(bundle, "state"), "--cgroup-manager", "cgroupfs",
		"run", "--bundle", bundle, "--pid-file", pidFile, id)
	_ = above
	return launch(t, cmd, ns, pidFile)
}

func launch(t *testing.T, cmd *exec.Cmd, ns *testutil.NetNS, pidFile string) *clientProcess { return nil }

var _ = bufio.NewScanner
var _ = json.Marshal
var _ = fs.ErrNotExist
var _ = strings.Cut
var _ = thread.Spend
