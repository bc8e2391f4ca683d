//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
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
	furnishedEnv = "PORTTRACE_TEST_HOST"
	livingEnv    = "PORTTRACE_TEST_LIVING"
)

// namespace is what the network namespace is called on that host.
const namespace = "cni-0f6f2c7e"

// on has porttrace see this folder's files where the host has its own.
func (p *process) on(host string, pid int) *process {
	p.cmd.Env = append(p.cmd.Env, roleEnv+"=host", furnishedEnv+"="+host, livingEnv+"="+strconv.Itoa(pid))
	return p
}

// furnish makes the mounts of such a host, before the process becomes porttrace.
func furnish() int {
	runtime.LockOSThread()
	host := os.Getenv(furnishedEnv)
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
// told with all names that the host's files have for it.
func TestOwnerInContainer(t *testing.T) {
	testutil.NeedBPF(t)
	crun, err := exec.LookPath("crun")
	need.That(t, err == nil, "crun")
	id := fmt.Sprintf("%064x", os.Getpid())
	above := testutil.NewCgroup(t, "porttrace-test-crun-*")
	path := above.Path + "/kubepods/burstable/pod" + podUID + "/" + id
	t.Cleanup(func() { // crun takes its own away
		for dir := filepath.Dir(path); dir != above.Path; dir = filepath.Dir(dir) {
			if err := os.Remove(filepath.Dir(above.Dir) + dir); err != nil {
				t.Error(err)
			}
		}
	})
	c := startCrun(t, crun, id, path)

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

// startCrun starts a client in a container of crun's, which has what the binary needs of
// this host mounted into it.
func startCrun(t *testing.T, crun, id, path string) *clientProcess {
	t.Helper()
	c := &clientProcess{t: t, ns: testutil.NewNetNS(t)}
	c.ns.Sysctl(t, "ipv4/ip_local_port_range", "40000 40100")
	dir := t.TempDir()
	writeBundle(t, dir, path, c.ns)
	cmd := exec.Command(crun, "--root", dir+"/state", "--cgroup-manager", "cgroupfs",
		"run", "--bundle", dir, "--pid-file", dir+"/pid", id)
	c.run(cmd, func() (err error) {
		// It takes no host with cgroups of both versions.
		thread.Spend(func() {
			if err = testutil.EnterMountNS(testutil.Unified); err == nil {
				err = cmd.Start()
			}
		})
		return err
	})
	pid, err := strconv.Atoi(string(readFile(t, dir+"/pid")))
	if err != nil {
		t.Fatal(err)
	}
	c.pid = pid
	return c
}

// writeBundle makes an OCI bundle (the runtime specification's config.json and a root).
func writeBundle(t *testing.T, dir, path string, ns *testutil.NetNS) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	type list = []any
	mounts := list{object{"destination": "/proc", "type": "proc", "source": "proc"}}
	bind := func(from, to string) {
		mounts = append(mounts, object{"destination": to, "type": "bind", "source": from, "options": list{"rbind", "ro"}})
	}
	bind(self, inContainer)
	for _, lib := range []string{"/usr", "/lib", "/lib64"} {
		if _, err := os.Stat(lib); err == nil {
			bind(lib, lib)
		}
	}
	var network string
	ns.Do(func() { network = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid()) })
	config, err := json.Marshal(object{
		"ociVersion": "1.0.2",
		"root":       object{"path": "root"},
		"mounts":     mounts,
		"process": object{
			"cwd": "/", "user": object{"uid": 0, "gid": 0},
			"args": list{inContainer, "of", "a", "pod"}, "env": list{roleEnv + "=client"},
		},
		"linux": object{
			"cgroupsPath": path,
			"namespaces": list{
				object{"type": "pid"}, object{"type": "mount"}, object{"type": "cgroup"},
				object{"type": "network", "path": network},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/config.json", string(config))
	if err := os.MkdirAll(dir+"/root/dev", 0o755); err != nil {
		t.Fatal(err)
	}
}

// Where only version 1 of cgroups knows of a container, the default hierarchy has all
// processes in its root: a living one says itself where it is.
func TestOwnerByVersion1(t *testing.T) {
	c := newClient(t, 40000, 40100)
	id := fmt.Sprintf("%064x", os.Getpid())
	version1 := make(chan string)
	release := make(chan struct{})
	go thread.Spend(func() {
		defer close(version1)
		if err := testutil.EnterMountNS(testutil.Version1); err != nil {
			t.Error(err)
			return
		}
		version1 <- fmt.Sprintf("/proc/%d/task/%d/root%s/systemd", os.Getpid(), unix.Gettid(), testutil.CgroupFolder)
		<-release
	})
	root, ok := <-version1
	if !ok {
		t.FailNow()
	}
	defer func() { close(release); <-version1 }()
	home := root + "/cgroup.procs"
	_, err := os.Stat(home)
	need.That(t, err == nil, "cgroup v1")
	move := func(to string) {
		if err := os.WriteFile(to, []byte(strconv.Itoa(c.pid)), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(root+"/docker/"+id, 0o755); err != nil {
		t.Fatal(err)
	}
	defer func() {
		move(home)
		if err := errors.Join(os.Remove(root+"/docker/"+id), os.Remove(root+"/docker")); err != nil {
			t.Error(err)
		}
	}()
	move(root + "/docker/" + id + "/cgroup.procs")

	p := tracing(t, "-q", "-o", "x.jsonl", c.netns())
	opened := c.do("open", 23)
	c.do("close")
	p.interrupt()
	records := whole(t, readFile(t, p.path("x.jsonl")))
	c.wantLifetimes(records, opened)
	want := lifetime.Place{Cgroup: "/docker/" + id, Container: id, Runtime: "docker"}
	for _, r := range c.own(records, lifetime.Release) {
		if got := r.Hold.Owner.Place.Value(); got != want {
			t.Fatalf("port %d is held in %+v, want %+v", r.Hold.Port, got, want)
		}
	}
}
