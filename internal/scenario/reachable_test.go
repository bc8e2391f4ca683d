package scenario

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/testutil"
)

// reachable gives a namespace a name, as `ip netns` does, so that the tracer can enter
// it: it looks for namespaces at processes and names, and a test's are a thread's. What
// is returned takes the name away, as the end of the test does.
func reachable(t testing.TB, ns *testutil.NetNS) (unname func()) {
	t.Helper()
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		t.Fatalf("naming a namespace: %v", err)
	}
	name := nameOf(ns)
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDONLY, 0o444)
	if err != nil {
		t.Fatalf("naming a namespace: %v", err)
	}
	f.Close()
	ns.Do(func() {
		err = unix.Mount("/proc/thread-self/ns/net", name, "", unix.MS_BIND, "")
	})
	if err != nil {
		os.Remove(name)
		t.Fatalf("naming a namespace: %v", err)
	}
	unname = func() {
		_ = unix.Unmount(name, unix.MNT_DETACH)
		_ = os.Remove(name)
	}
	t.Cleanup(unname)
	return unname
}

func nameOf(ns *testutil.NetNS) string {
	return fmt.Sprintf("/run/netns/porttrace-test-%d", ns.Inode)
}
