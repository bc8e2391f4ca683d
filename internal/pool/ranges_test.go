package pool

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/netns"
	"porttrace/internal/testutil"
)

// private returns a namespace of the test's. No process lives in it, so that it is not
// found but by those who remember the way.
func private(t *testing.T) *testutil.NetNS {
	t.Helper()
	testutil.Need(t, os.Geteuid() == 0, "root, to make network namespaces")
	ns := testutil.NewNetNS(t)
	ns.Sysctl(t, "ipv4/ip_local_port_range", "40000 40009")
	ns.Sysctl(t, "ipv4/ip_local_reserved_ports", "40001,40003-40004")
	return ns
}

// clock is a Ranges' clock.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// remember returns a memory that knows the way into a namespace, as after All.
func remember(t *testing.T, ns *testutil.NetNS) (*Ranges, *clock) {
	t.Helper()
	var file *os.File
	var err error
	ns.Do(func() { file, err = os.Open("/proc/thread-self/ns/net") })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	link := t.TempDir() + "/ns"
	if err := os.Symlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), link); err != nil {
		t.Fatal(err)
	}
	way, err := netns.At(link)
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{time.Unix(1, 0)}
	return &Ranges{now: c.now, known: map[uint32]*remembered{ns.Inode: {ns: way}}}, c
}

func TestReadRangeIsTheNamespacesOwn(t *testing.T) {
	ns := private(t)
	r, _ := remember(t, ns)
	got := r.Get(ns.Inode, 0)
	if got == nil || got.NetNS != ns.Inode || got.Lo != 40000 || got.Hi != 40009 || got.Usable != 7 || got.Reserved != "40001,40003-40004" {
		t.Errorf("got %+v", got)
	}
}

func TestRangeIsReadAgainSoon(t *testing.T) {
	ns := private(t)
	r, clock := remember(t, ns)
	first := r.Get(ns.Inode, 0)
	ns.Sysctl(t, "ipv4/ip_local_port_range", "50000 50999")
	clock.at = clock.at.Add(fresh - 1)
	if got := r.Get(ns.Inode, 0); got != first {
		t.Errorf("it was read again at once: %+v", got)
	}
	clock.at = clock.at.Add(1)
	if got := r.Get(ns.Inode, 0); got.Lo != 50000 || got.Usable != 1000 {
		t.Errorf("a moment later: got %+v", got)
	}
}

// A namespace with nothing but sockets left in it cannot be entered: the last range that
// was seen is the best there is.
func TestRangeOutlivesTheWayIn(t *testing.T) {
	ns := private(t)
	r, clock := remember(t, ns)
	first := r.Get(ns.Inode, 0)
	r.known[ns.Inode].ns = netns.NS{Inode: ns.Inode}
	clock.at = clock.at.Add(fresh)
	if got := r.Get(ns.Inode, 0); got == nil || got.Lo != first.Lo {
		t.Errorf("got %+v, want the one before", got)
	}
}

// Who looks for a way in looks through all processes: not each time.
func TestNamespaceThatCannotBeEnteredIsTriedEverLessOften(t *testing.T) {
	c := &clock{time.Unix(1, 0)}
	r := &Ranges{now: c.now, known: map[uint32]*remembered{}}
	var tries []time.Duration
	for passed := time.Duration(0); passed < 10*time.Second; passed += time.Millisecond {
		c.at = time.Unix(1, 0).Add(passed)
		if r.Get(1, 0) != nil {
			t.Fatal("namespace 1 has a range")
		}
		if r.known[1].read.Equal(c.at) {
			tries = append(tries, passed)
		}
	}
	if len(tries) < 10 || len(tries) > 20 || tries[1] != fresh || tries[len(tries)-1]-tries[len(tries)-2] != retry {
		t.Errorf("tried after %v", tries)
	}
}

func TestRangeOfNoNamespace(t *testing.T) {
	if got := NewRanges().Get(1, 1<<32-1); got != nil {
		t.Errorf("namespace 1 has the range %+v", got)
	}
	_, err := ReadRange(netns.NS{Inode: 1})
	if want := "reading the port range of network namespace 1: entering network namespace 1: it is gone"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s…", err, want)
	}
}

func TestAllHasOurOwn(t *testing.T) {
	testutil.Need(t, os.Geteuid() == 0, "root, to enter network namespaces")
	self, err := netns.Self()
	if err != nil {
		t.Fatal(err)
	}
	ranges := NewRanges()
	all, err := ranges.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, rng := range all {
		if rng.NetNS == self.Inode {
			if got := ranges.Get(self.Inode, 0); got.Range != rng.Range {
				t.Errorf("got %+v, then %+v", rng.Range, got.Range)
			}
			return
		}
	}
	t.Errorf("our own (%d) is not among %d", self.Inode, len(all))
}

func TestIsLocal(t *testing.T) {
	ns := private(t)
	r, clock := remember(t, ns)
	for text, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "0.0.0.0": true, "::": true,
		"192.0.2.1": false, "2001:db8::1": false, "255.255.255.255": true,
		"fe80::1": true, // without its zone: in doubt
	} {
		if got := r.IsLocal(ns.Inode, 0, netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: got %t", text, got)
		}
	}
	if !r.IsLocal(ns.Inode, 0, netip.Addr{}) {
		t.Error("an unknown address is in doubt")
	}
	ns.Sysctl(t, "ipv4/ip_nonlocal_bind", "1")
	clock.at = clock.at.Add(fresh)
	if !r.IsLocal(ns.Inode, 0, netip.MustParseAddr("192.0.2.1")) {
		t.Error("with ip_nonlocal_bind bind() accepts every address")
	}
	if !NewRanges().IsLocal(1, 0, here) {
		t.Error("in a namespace that cannot be entered it is in doubt")
	}
}

// The question must not show in a trace: it takes no port.
func TestIsLocalTakesNoPort(t *testing.T) {
	ns := private(t)
	ns.Sysctl(t, "ipv4/ip_local_reserved_ports", "40000-40009")
	ns.Do(func() {
		if err := bindAddress(netip.MustParseAddr("127.0.0.1")); err != nil {
			t.Errorf("without a single port: %v", err)
		}
		if err := bindAddress(netip.MustParseAddr("192.0.2.1")); !errors.Is(err, unix.EADDRNOTAVAIL) {
			t.Errorf("not local: %v", err)
		}
	})
}

func TestNamespacesThatNobodyAsksAboutAreForgotten(t *testing.T) {
	c := &clock{time.Unix(1, 0)}
	r := &Ranges{now: c.now, known: map[uint32]*remembered{}}
	for inode := range uint32(rememberAll) {
		r.known[inode] = &remembered{read: c.at}
	}
	c.at = c.at.Add(unasked)
	r.known[7].read = c.at
	r.Get(rememberAll, 0)
	if n := len(r.known); n != rememberAll+1 {
		t.Errorf("%d are left though all were asked about within a minute", n)
	}
	c.at = c.at.Add(time.Second)
	r.Get(rememberAll+1, 0)
	if n := len(r.known); n != 3 || r.known[7] == nil {
		t.Errorf("%d are left, want the two just asked about and 7", n)
	}
}

// Holds linger a little after their namespace, whose number may be given to the next.
func TestNumberOfANamespaceThatWentIsGivenToTheNext(t *testing.T) {
	ns := private(t)
	r, _ := remember(t, ns)
	way := r.known[ns.Inode].ns
	r.known[ns.Inode] = &remembered{read: r.now(), lasts: retry}
	if r.Get(ns.Inode, 0) != nil {
		t.Fatal("it can be entered")
	}
	var h held
	h.add(1, 40000, connectTo(server))
	h[0].NetNS = ns.Inode
	takeCensus(r, &h)
	r.known[ns.Inode].ns = way
	if rng := r.Get(ns.Inode, 0); rng == nil || rng.Usable != 7 {
		t.Errorf("got %+v, want the new one's range", rng)
	}
}
