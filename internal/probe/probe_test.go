package probe_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"

	"porttrace/internal/event"
	"porttrace/internal/netns"
	"porttrace/internal/probe"
	"porttrace/internal/testutil"
)

var everything = probe.Options{TCP: true, UDP: true, IPv4: true, IPv6: true, BufferSize: 1 << 20}

func open(t *testing.T, options probe.Options) *probe.Probe {
	t.Helper()
	testutil.NeedBPF(t)
	options.Hooks = testutil.Hooks(t)
	p, err := probe.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// bpfFiles counts our descriptors that keep something of BPF alive.
func bpfFiles(t *testing.T) int {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.Contains(to, "bpf") && strings.HasPrefix(to, "anon_inode:") {
			n++
		}
	}
	return n
}

func mustLinks(t *testing.T, p *probe.Probe) []link.ID {
	t.Helper()
	ids, err := p.Links()
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func isAttached(t *testing.T, id link.ID) bool {
	t.Helper()
	l, err := link.NewFromID(id)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return true
}

func TestDiagnose(t *testing.T) {
	testutil.NeedBPF(t)
	before := bpfFiles(t)
	checks := probe.Diagnose()
	set := testutil.Hooks(t)
	if set == probe.Auto {
		set = probe.Stable
	}
	if !checks.Works(set) {
		t.Errorf("tracing with the %s set does not work here", set)
	}
	hooks, iterators := 0, 0
	for _, c := range checks {
		if c.Set != "" && c.Set != set {
			continue
		}
		if c.Err != nil && c.Minor {
			t.Logf("%v", c.Err) // true of some kernels
		} else if c.Err != nil {
			t.Errorf("%s: %v (%s)", c.Name, c.Err, c.Advice)
		}
		if c.Name == "" || c.Detail == "" {
			t.Errorf("%+v says nothing", c)
		}
		if strings.HasPrefix(c.Name, string(set)+" ") {
			hooks++
		}
		if strings.HasPrefix(c.Name, "iterator ") {
			iterators++
		}
	}
	if hooks == 0 || iterators != 5 {
		t.Errorf("%d hooks and %d iterators were tried", hooks, iterators)
	}
	if after := bpfFiles(t); after != before {
		t.Errorf("%d descriptors of BPF were left behind", after-before)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	testutil.NeedBPF(t)
	before := bpfFiles(t)
	p := open(t, everything)
	ids := mustLinks(t, p)
	if stats, err := p.Stats(); err != nil || len(stats) != len(ids) {
		t.Errorf("%d links, statistics of %d hooks, %v", len(ids), len(stats), err)
	}
	for _, id := range ids {
		if !isAttached(t, id) {
			t.Errorf("link %d is not there while tracing", id)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if isAttached(t, id) {
			t.Errorf("link %d was left behind", id)
		}
	}
	if after := bpfFiles(t); after != before {
		t.Errorf("%d descriptors of BPF were left behind", after-before)
	}
}

func TestDetachTakesTheHooksOffAndLeavesTheRing(t *testing.T) {
	p := open(t, everything)
	ids := mustLinks(t, p)
	if err := p.Detach(); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if isAttached(t, id) {
			t.Errorf("link %d was left behind", id)
		}
	}
	if err := p.Drain(func(*event.Event) {}); err != nil {
		t.Errorf("draining afterwards: %v", err)
	}
	if err := p.Detach(); err != nil {
		t.Errorf("the second time: %v", err)
	}
}

func TestFewerHooksForFewerProtocols(t *testing.T) {
	count := func(tcp, udp bool) int {
		o := everything
		o.TCP, o.UDP = tcp, udp
		return len(mustLinks(t, open(t, o)))
	}
	both, tcp, udp := count(true, true), count(true, false), count(false, true)
	if tcp >= both || udp >= both || tcp == 0 || udp == 0 {
		t.Errorf("both: %d hooks, TCP: %d, UDP: %d", both, tcp, udp)
	}
}

// inside has probes tell of a namespace of the test's only, so that a small ring is not
// filled by others.
func inside(t *testing.T) (*testutil.NetNS, probe.Options) {
	t.Helper()
	testutil.NeedBPF(t)
	ns := testutil.NewNetNS(t)
	o := everything
	o.NetNS = ns.Inode
	return ns, o
}

func TestBuffers(t *testing.T) {
	for _, size := range []int{os.Getpagesize(), 0} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			ns, o := inside(t)
			o.BufferSize = size
			seeConnects(t, ns, open(t, o))
		})
	}
}

func TestTwoAtOnce(t *testing.T) {
	ns, o := inside(t)
	first, second := open(t, o), open(t, o)
	seeConnects(t, ns, first, second)
}

// connects is small enough for a ring of one page.
const connects = 3

// seeConnects makes connections inside a namespace, and wants every probe to tell each
// assignment once.
func seeConnects(t *testing.T, ns *testutil.NetNS, probes ...*probe.Probe) {
	t.Helper()
	ports := map[uint16]bool{}
	ns.Do(func() { ports = connectToItself(t) })
	for i, p := range probes {
		told := map[uint16]int{}
		deadline := time.Now().Add(time.Minute)
		for len(told) < len(ports) && time.Now().Before(deadline) {
			err := p.Poll(20*time.Millisecond, func(e *event.Event) {
				if e.Kind == event.Assign && e.Hold.NetNS == ns.Inode && e.Hold.Path == event.Connect {
					told[e.Hold.Port]++
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for port := range ports {
			if told[port] != 1 {
				t.Errorf("probe %d told port %d %d times", i, port, told[port])
			}
		}
		if losses, err := p.NewLosses(); err != nil {
			t.Error(err)
		} else if losses.Total() != 0 {
			t.Errorf("probe %d lost %+v", i, losses)
		}
	}
}

// connectToItself returns the ports of its connections, which are closed again. It must
// stay on its thread.
func connectToItself(t *testing.T) map[uint16]bool {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return nil
	}
	defer l.Close()
	ports := map[uint16]bool{}
	for range connects {
		c, err := net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr))
		if err != nil {
			t.Error(err)
			return ports
		}
		ports[c.LocalAddr().(*net.TCPAddr).AddrPort().Port()] = true
		c.Close()
	}
	return ports
}

func TestLookFindsWhatIsHeld(t *testing.T) {
	testutil.NeedBPF(t)
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := open(t, everything)
	self, err := netns.Self()
	if err != nil {
		t.Fatal(err)
	}
	want := c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	for _, look := range []struct {
		name string
		kind event.Kind
		do   func(probe.Handler) error
	}{
		{"snapshot", event.Found, func(f probe.Handler) error { return p.Snapshot([]netns.NS{self}, f, nil) }},
		{"UDP only", event.Held, func(f probe.Handler) error { return p.LookUDP(self, f) }},
		{"roll call", event.Held, func(f probe.Handler) error { return p.RollCall(f, nil) }},
		{"audit", event.Held, func(f probe.Handler) error {
			_, err := p.Audit([]netns.NS{self}, f, func() error { return nil })
			return err
		}},
	} {
		found := 0
		err := look.do(func(e *event.Event) {
			if e.Kind != look.kind {
				t.Errorf("%s: kind %d of port %d", look.name, e.Kind, e.Hold.Port)
			}
			if e.Hold.Proto == event.UDP && e.Hold.Port == want && e.Hold.Owner.PID == uint32(os.Getpid()) {
				found++
			}
		})
		if err != nil || found != 1 {
			t.Errorf("%s: found %d times, %v", look.name, found, err)
		}
	}
}

func TestLookSkipsNamespacesThatAreGone(t *testing.T) {
	p := open(t, everything)
	link := filepath.Join(t.TempDir(), "ns")
	if err := os.Symlink("/proc/self/ns/net", link); err != nil {
		t.Fatal(err)
	}
	ns, err := netns.At(link)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := p.Snapshot([]netns.NS{ns}, func(*event.Event) {}, nil); err != nil {
		t.Error(err)
	}
}
