package confine_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"porttrace/internal/confine"
	"porttrace/internal/privilege"
	"porttrace/internal/recording"
)

// childEnv has the test binary be the confined process of a test, which gets the folder
// of its recording and one beside it.
const childEnv = "PORTTRACE_TEST_CONFINED"

func TestMain(m *testing.M) {
	folder := os.Getenv(childEnv)
	if folder == "" {
		os.Exit(m.Run())
	}
	if err := confined(folder, os.Getenv(childEnv+"_FILE") != ""); err != nil {
		fmt.Println("confined:", err)
		os.Exit(1)
	}
}

// confined tries from every kind of thread what is to be refused, prints a line for each
// attempt that was not, and then that it came to its end.
func confined(folder string, withFile bool) error {
	var before [4]*worker // their threads are there already
	for i := range before {
		before[i] = startWorker()
	}
	var rec confine.Recording
	var file *recording.File
	if withFile {
		var err error
		file, err = recording.Create(filepath.Join(folder, "x.jsonl"), recording.Options{
			SudoUID: os.Getenv("SUDO_UID"), SudoGID: os.Getenv("SUDO_GID"),
			RotateSize: 1 << 10, RotateKeep: 2,
			Notice: func(format string, args ...any) { fmt.Printf("notice: "+format+"\n", args...) },
		})
		if err != nil {
			return err
		}
		rec = file
	}
	landlocked, err := confine.Tracer(rec)
	if err != nil {
		return err
	}
	fmt.Println("landlocked:", landlocked)
	for _, w := range before {
		w.do(func() { try("thread from before", folder, false) })
	}
	for range 4 {
		startWorker().do(func() { try("thread made later", folder, false) })
	}
	if file != nil {
		file.OnHand(func() { try("hand", folder, !landlocked) })
		if err := record(file, folder); err != nil {
			return err
		}
	}
	if err := stillWorks(file != nil); err != nil {
		return err
	}
	fmt.Println("the end")
	return nil
}

// worker is a thread.
type worker struct{ work, done chan func() }

func startWorker() *worker {
	w := &worker{make(chan func()), make(chan func())}
	go func() {
		runtime.LockOSThread()
		for f := range w.work {
			f()
			w.done <- nil
		}
	}()
	return w
}

func (w *worker) do(f func()) {
	w.work <- f
	<-w.done
}

// try prints which attempts were not refused. elsewhere: the kernel cannot keep this
// thread from making new files and appending to others.
func try(who, folder string, elsewhere bool) {
	for _, a := range attempts(folder) {
		if elsewhere && a.byLandlock {
			continue
		}
		if err := a.do(); !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.ENOSYS) {
			fmt.Printf("%s: %s: %v\n", who, a.what, err)
		}
	}
	// the answer of capset is no proof on the hand
	all := unix.CapUserData{Effective: 1<<32 - 1, Permitted: 1<<32 - 1, Inheritable: 1<<32 - 1}
	data := [2]unix.CapUserData{all, all}
	_ = unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0])
	set, err := privilege.Effective()
	if more := set &^ privilege.For(privilege.Looking); err != nil || who != "hand" && more != 0 || set.Has(unix.CAP_NET_ADMIN) {
		fmt.Printf("%s: capabilities %x raised, %v\n", who, more, err)
	}
}

// record writes a recording of many parts, and a new one after a SIGHUP.
func record(file *recording.File, folder string) error {
	for i := range 500 {
		r := example()
		if err := errors.Join(file.Write(&r), file.Flush()); err != nil {
			return err
		}
		if i == 250 {
			if missing := file.Settle(); missing > 0 {
				return fmt.Errorf("%d records are missing", missing)
			}
			if err := file.Reopen(); err != nil {
				return err
			}
		}
	}
	if missing := file.Settle(); missing > 0 {
		return fmt.Errorf("%d records are missing at the end", missing)
	}
	names, err := filepath.Glob(filepath.Join(folder, "x*.jsonl"))
	if err != nil || len(names) != 3 || strings.Contains(fmt.Sprint(names), "x.1.jsonl") {
		return fmt.Errorf("parts %q, %w", names, err)
	}
	return file.Close()
}

// stillWorks does what the tracer goes on doing.
func stillWorks(withFile bool) error {
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/net", os.Getppid()), &st); err != nil {
		return fmt.Errorf("looking into another process: %w", err)
	}
	if os.Geteuid() == 0 {
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", os.Getppid()))
		if err != nil {
			return err
		}
		startWorker().do(func() { err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET) })
		if err != nil {
			return fmt.Errorf("entering a network namespace: %w", err)
		}
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return fmt.Errorf("asking for an address: %w", err)
	}
	_, err = os.ReadFile("/etc/hostname")
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return err
}

// run starts a confined child and returns what it printed.
func run(t *testing.T, folder string, env ...string) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(append(os.Environ(), childEnv+"="+folder), env...)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "the end\n") {
		t.Fatalf("the confined process: %v\n%s", err, out)
	}
	return string(out)
}

// attempt is something that must be refused.
type attempt struct {
	what       string
	byLandlock bool // on the thread that makes files
	do         func() error
}

func call(number uintptr, args ...uintptr) func() error {
	var a [6]uintptr
	copy(a[:], args)
	return func() error {
		if _, _, errno := syscall.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
			return errno
		}
		return nil
	}
}

func text(s string) uintptr {
	b, err := unix.BytePtrFromString(s)
	if err != nil {
		panic(err)
	}
	kept = append(kept, b)
	return uintptr(unsafe.Pointer(b))
}

// kept are the strings that system calls are given as numbers.
var kept []*byte
