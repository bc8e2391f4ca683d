package live

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/netns"
	"porttrace/internal/probe"
)

func TestProcessOfAThread(t *testing.T) {
	comm, err := os.ReadFile("/proc/thread-self/comm")
	if err != nil {
		t.Skipf("no /proc: %v", err)
	}
	self, err := netns.Self()
	if err != nil {
		t.Fatal(err)
	}
	task := probe.Task{TID: uint32(unix.Getpid()), Comm: strings.TrimSpace(string(comm))}
	if got, want := processOf(task), (process{uint32(os.Getpid()), self.Inode}); got != want {
		t.Errorf("we live in %+v, want %+v", got, want)
	}
	task.Comm += "?" // the number is another's by now, or another pid namespace's
	if got := processOf(task); got != (process{}) {
		t.Errorf("another lives in %+v", got)
	}
}

// A process may keep its links to itself: the files below net still tell.
func TestOwnNetworkIsToldFromOthers(t *testing.T) {
	if !isOwnNetwork("/proc/self") {
		t.Error("our own is not ours")
	}
	if isOwnNetwork("/proc/0") || isOwnNetwork(t.TempDir()) {
		t.Error("nobody's is ours")
	}
}
