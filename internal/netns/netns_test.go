package netns_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/netns"
	"porttrace/internal/testutil"
)

func inode(path string) (uint32, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, err
	}
	return uint32(st.Ino), nil
}

const threadNS = "/proc/thread-self/ns/net"

func needRoot(t *testing.T) {
	t.Helper()
	testutil.Need(t, os.Geteuid() == 0, "root, to make network namespaces")
}

// private returns a namespace of the test's and a path that leads to it.
func private(t *testing.T) (netns.NS, string) {
	t.Helper()
	needRoot(t)
	var file *os.File
	var err error
	testutil.NewNetNS(t).Do(func() { file, err = os.Open(threadNS) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	path := fmt.Sprintf("/proc/self/fd/%d", file.Fd())
	ns, err := netns.At(path)
	if err != nil {
		t.Fatal(err)
	}
	return ns, path
}

func TestListHasOurOwnOnce(t *testing.T) {
	self, err := netns.Self()
	if err != nil {
		t.Fatal(err)
	}
	all, err := netns.List()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for i, ns := range all {
		if ns.Inode == self.Inode {
			found++
		}
		if i > 0 && all[i-1].Inode >= ns.Inode {
			t.Errorf("%d comes after %d", ns.Inode, all[i-1].Inode)
		}
	}
	if found != 1 {
		t.Errorf("our own is %d times in %v", found, all)
	}
}

func TestFind(t *testing.T) {
	self, err := netns.Self()
	if err != nil {
		t.Fatal(err)
	}
	for name, pid := range map[string]uint32{"its process": uint32(os.Getpid()), "no process": 0, "no such process": 1<<32 - 1} {
		if ns, ok := netns.Find(self.Inode, pid); !ok || ns.Inode != self.Inode {
			t.Errorf("%s: got %+v, %t", name, ns, ok)
		}
	}
	if ns, ok := netns.Find(1, uint32(os.Getpid())); ok {
		t.Errorf("namespace 1 is found: %+v", ns)
	}
}

func TestDoRunsInsideAndComesBack(t *testing.T) {
	ns, _ := private(t)
	self, err := netns.Self()
	if err != nil {
		t.Fatal(err)
	}
	var in uint32
	if doErr := ns.Do(func() error { in, err = inode(threadNS); return nil }); doErr != nil || err != nil {
		t.Fatal(doErr, err)
	}
	if in != ns.Inode {
		t.Errorf("it ran in %d, want %d", in, ns.Inode)
	}
	everyThreadIsHome(t, self.Inode)
}

// everyThreadIsHome allows one thread to be away: the one that keeps the namespace.
func everyThreadIsHome(t *testing.T, home uint32) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	var away []string
	for _, task := range tasks {
		if in, err := inode(task); err == nil && in != home {
			away = append(away, task)
		}
	}
	if len(away) > 1 {
		t.Errorf("these threads are away: %v", away)
	}
	if in, err := inode("/proc/self/ns/net"); err != nil || in != home {
		t.Errorf("the process is in %d, %v, want %d", in, err, home)
	}
}

// The thread that stands for the process in /proc must never leave, or others who look
// at us, or we at ourselves, see the wrong namespace.
func TestProcessStaysWhereItIs(t *testing.T) {
	ns, _ := private(t)
	self, err := netns.Self()
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		err := ns.Do(func() error {
			if in, err := inode("/proc/self/ns/net"); err != nil || in != self.Inode {
				return fmt.Errorf("the process is in %d, %w, want %d", in, err, self.Inode)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestErrorOfTheFunctionComesBackAsItIs(t *testing.T) {
	needRoot(t)
	self, err := netns.Self()
	if err != nil {
		t.Fatal(err)
	}
	mine := errors.New("mine")
	if got := self.Do(func() error { return mine }); got != mine {
		t.Errorf("got %v", got)
	}
}

func TestManyAtOnce(t *testing.T) {
	ns, _ := private(t)
	self, err := netns.Self()
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 50 {
		into := ns
		if i%2 == 1 {
			into = self
		}
		all.Go(func() {
			for range 20 {
				err := into.Do(func() error {
					in, err := inode(threadNS)
					if err == nil && in != into.Inode {
						t.Errorf("in %d, want %d", in, into.Inode)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	everyThreadIsHome(t, self.Inode)
}

func TestOneThatIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gone")
	_, err := netns.At(path)
	if want := "looking at network namespace " + path + ": no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not ErrNotExist", err)
	}
	if _, err := netns.OfProcess(1<<32 - 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no process: %v", err)
	}
}

func TestOneThatGoesBeforeItIsEntered(t *testing.T) {
	_, only := private(t) // no other way leads there
	link := filepath.Join(t.TempDir(), "ns")
	if err := os.Symlink(only, link); err != nil {
		t.Fatal(err)
	}
	ns, err := netns.At(link)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	ran := false
	err = ns.Do(func() error { ran = true; return nil })
	want := fmt.Sprintf("entering network namespace %d: it is gone (open %s: no such file or directory)", ns.Inode, link)
	if ran || !errors.Is(err, netns.ErrGone) || err.Error() != want {
		t.Errorf("ran %t, got %v, want %s", ran, err, want)
	}
}

// A path may lead elsewhere by the time it is used, as that of a process whose id was
// given to another.
func TestOneThatWasReplaced(t *testing.T) {
	_, only := private(t)
	link := filepath.Join(t.TempDir(), "ns")
	if err := os.Symlink(only, link); err != nil {
		t.Fatal(err)
	}
	ns, err := netns.At(link)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/self/ns/net", link); err != nil {
		t.Fatal(err)
	}
	err = ns.Do(func() error { t.Error("it ran in the wrong place"); return nil })
	want := fmt.Sprintf("entering network namespace %d: it is gone (its place was taken by another)", ns.Inode)
	if !errors.Is(err, netns.ErrGone) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// `ip netns del` takes the mount away before the file under it.
func TestNameThatIsBeingDeleted(t *testing.T) {
	_, only := private(t)
	name := filepath.Join(t.TempDir(), "ns")
	if err := os.Symlink(only, name); err != nil {
		t.Fatal(err)
	}
	ns, err := netns.At(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ns.Do(func() error { return nil }); !errors.Is(err, netns.ErrGone) {
		t.Errorf("got %v", err)
	}
}

// The process that led into a namespace has ended; another still lives there.
func TestAnotherWayIn(t *testing.T) {
	needRoot(t)
	first := exec.Command("sleep", "1000")
	first.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	end := func(c *exec.Cmd) func() { return func() { _ = c.Process.Kill(); _ = c.Wait() } }
	t.Cleanup(end(first))
	ns, err := netns.OfProcess(uint32(first.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	second := exec.Command("sleep", "1000")
	if err := ns.Do(second.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end(second))
	end(first)()
	var in uint32
	if err := ns.Do(func() (err error) { in, err = inode(threadNS); return err }); err != nil || in != ns.Inode {
		t.Errorf("it ran in %d, %v, want %d", in, err, ns.Inode)
	}
}
