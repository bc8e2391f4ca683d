package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"porttrace/internal/privilege"
	"porttrace/internal/testutil"
	"porttrace/internal/testutil/need"
)

// boot gives the init that follows what it expects of a machine. Its network namespace and
// its devices are the host's.
const boot = `
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs sys sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs run run
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /lib/systemd/systemd --unit=basic.target --log-target=console --show-status=no
`

// machine is a Debian run by an init of its own, in namespaces and a cgroup that go with
// the test.
type machine struct {
	t    *testing.T
	root string
	init string // its pid
}

func bootDebian(t *testing.T, root string, unshare ...string) *machine {
	t.Helper()
	group := testutil.NewCgroup(t, "porttrace-test-systemd-*")
	folder, err := os.Open(group.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	args := append([]string{"--fork", "--kill-child", "--pid", "--mount", "--uts", "--ipc"}, unshare...)
	cmd := exec.Command("unshare", append(args, "sh", "-euc", boot, "sh", root)...)
	var console bytes.Buffer
	cmd.Stdout, cmd.Stderr = &console, &console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(folder.Fd()), Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		removeBelow(t, group.Dir)
		if t.Failed() {
			t.Logf("its console:\n%s", &console)
		}
	})
	m := &machine{t: t, root: root}
	m.await("its boot", func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
		m.init = strings.TrimSpace(string(children))
		return err == nil && m.init != "" && m.says("systemctl", "is-active", "basic.target") == "active\n"
	})
	return m
}

// removeBelow removes the cgroups that were made in one, once they are empty.
func removeBelow(t *testing.T, dir string) {
	t.Helper()
	for until := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		var below []string
		_ = filepath.WalkDir(dir+"/.", func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() && path != dir+"/." {
				below = append(below, path)
			}
			return nil
		})
		slices.Reverse(below)
		for _, path := range below {
			_ = os.Remove(path)
		}
		if len(below) == 0 && !isPopulated(dir) {
			return
		}
		if time.Now().After(until) {
			t.Errorf("cgroups are left: %q", below)
			return
		}
	}
}

func isPopulated(cgroup string) bool {
	events, _ := os.ReadFile(cgroup + "/cgroup.events")
	return strings.Contains(string(events), "populated 1")
}

// says runs a program there and returns what it prints, of whatever status.
func (m *machine) says(name string, args ...string) string {
	m.t.Helper()
	enter := []string{"--target", m.init, "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root", "--wd",
		"env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", name}
	out, _ := exec.Command("nsenter", append(enter, args...)...).CombinedOutput()
	return string(out)
}

const patience = time.Minute

func (m *machine) await(what string, is func() bool) {
	m.t.Helper()
	for until := time.Now().Add(patience); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			m.t.Fatalf("%s: not so after %v\n%s", what, patience, m.says("systemctl", "status", "--no-pager", "--lines=50", "porttrace"))
		}
	}
}

// systemctl does something with the service, which must go well.
func (m *machine) systemctl(verb string) {
	m.t.Helper()
	if said := m.says("systemctl", verb, "porttrace"); said != "" {
		m.t.Fatalf("systemctl %s: %s\n%s", verb, said, m.says("journalctl", "--no-pager", "--lines=30"))
	}
}

// records returns the file that matches, once it has a record of this type, or with this text.
func (m *machine) records(name, text string) (path string) {
	m.t.Helper()
	m.await("a recording with "+text, func() bool {
		found, _ := filepath.Glob(filepath.Join(m.root, "var/log/private/porttrace", name))
		for _, path = range found {
			lines, err := os.ReadFile(path)
			if err == nil && bytes.Contains(lines, []byte(text)) {
				return true
			}
		}
		return false
	})
	return path
}

// pid is the service's process, "0" while there is none.
func (m *machine) pid() string {
	m.t.Helper()
	return strings.TrimPrefix(strings.TrimSpace(m.says("systemctl", "show", "--property=MainPID", "porttrace")), "MainPID=")
}

// status is a field of /proc/PID/status of the service's process.
func (m *machine) status(field string) string {
	m.t.Helper()
	pid := m.pid()
	for line := range strings.Lines(m.says("cat", "/proc/"+pid+"/status")) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	m.t.Fatalf("process %q of the service has no %s", pid, field)
	return ""
}

// connectOnce makes a connection and returns its port.
func connectOnce(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.TCPAddr).Port
}

// The installed service does its work under a real systemd, with all that it forbids it: on
// a host, where the whole cgroup hierarchy is in sight, and in a container, where a mount of
// it has to be made.
func TestServiceRuns(t *testing.T) {
	t.Parallel()
	need.Root(t, "an init of its own")
	testutil.NeedBPF(t)
	needProgram(t, "debootstrap", "debootstrap")
	root := debian(t)
	said(t, "cp", file(t, "_"+runtime.GOARCH+".deb"), filepath.Join(root, "porttrace.deb"))
	for where, unshare := range map[string][]string{"host": nil, "container": {"--cgroup"}} {
		t.Run(where, func(t *testing.T) {
			said(t, "rm", "-rf", filepath.Join(root, "var/log/private/porttrace"))
			m := bootDebian(t, root, unshare...)
			m.says("dpkg", "--install", "/porttrace.deb")
			checkService(t, m)
			checkPackage(t, m)
		})
	}
}

// checkPackage checks that a service which runs goes on as the new version of its package, and
// goes with it.
func checkPackage(t *testing.T, m *machine) {
	m.systemctl("start")
	before := m.pid()
	out := m.says("dpkg", "--install", "/porttrace.deb")
	m.await("another process:\n"+out, func() bool { return m.pid() != "0" && m.pid() != before })
	const link = "etc/systemd/system/multi-user.target.wants/porttrace.service"
	m.says("systemctl", "enable", "porttrace")
	if _, err := os.Lstat(filepath.Join(m.root, link)); err != nil {
		t.Errorf("enabled: %v", err)
	}
	out = m.says("dpkg", "--remove", "porttrace")
	if state := m.says("systemctl", "is-active", "porttrace"); state != "inactive\n" {
		t.Errorf("removed, the service is %s%s", state, out)
	}
	if _, err := os.Lstat(filepath.Join(m.root, link)); !os.IsNotExist(err) {
		t.Errorf("removed, its link is left (%v)\n%s", err, out)
	}
}

func checkService(t *testing.T, m *machine) {
	m.systemctl("start")
	path := m.records("*.jsonl", `"type":"start"`)
	port := fmt.Sprintf(`"port":%d,`, connectOnce(t))
	m.records("*.jsonl", port)
	if uid := m.status("Uid"); strings.HasPrefix(uid, "0 ") {
		t.Errorf("it runs as %s", uid)
	}
	kept := fmt.Sprintf("%016x", uint64(privilege.For(privilege.Looking)))
	for field, want := range map[string]string{"NoNewPrivs": "1", "Seccomp": "2", "CapEff": kept} {
		if got := m.status(field); got != want {
			t.Errorf("its %s is %s, want %s", field, got, want)
		}
	}

	rotated := strings.TrimSuffix(path, ".jsonl") + ".rotated"
	if err := os.Rename(path, rotated); err != nil {
		t.Fatal(err)
	}
	m.systemctl("reload")
	m.records("*.jsonl", `"type":"start"`)
	m.records("*.rotated", port)

	m.systemctl("stop")
	m.records("*.jsonl", `"type":"end"`)
	if got := m.says("systemctl", "show", "--property=Result", "porttrace"); got != "Result=success\n" {
		t.Errorf("it ended with %s%s", got, m.says("journalctl", "--no-pager", "--lines=30", "--unit=porttrace"))
	}
}
