package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/party"
)

// The owners of cluster, on all levels.
var (
	webUnit = lifetime.Place{Cgroup: "/system.slice/nginx.service", Unit: "nginx.service"}
	sync    = lifetime.Place{
		Cgroup: "/user.slice/user-1000.slice/user@1000.service/app.slice/sync.service", Unit: "user@1000.service", UserUnit: "sync.service",
	}
	cart = lifetime.Place{
		Cgroup: "/kubepods/burstable/podx/y", Container: strings.Repeat("0123456789abcdef", 4), Runtime: "containerd",
		PodUID: "0a1b2c3d-0001-0002-0003-0123456789ab", QoS: "burstable",
	}
	evil = lifetime.Place{Cgroup: "/lxc.payload.x\x1b[2J", Container: "x\x1b[2J<b>", ContainerName: "x\x1b[2J<b>", Runtime: "lxc"}
)

// cluster is a host with owners that units, containers, pods and users tell apart. The
// container's and the pod's name is known only when the first of their holds ends.
func cluster() []byte {
	tp := newTape("node1", 0)
	in := func(h *lifetime.Hold, p lifetime.Place, exe, user string, uid uint32) *lifetime.Hold {
		h.Owner.Place, h.Owner.Program = lifetime.Intern(p), lifetime.Intern(lifetime.Program{Exe: exe, Cmdline: exe + " -x"})
		h.Owner.User, h.Owner.UID = lifetime.Intern(user), uid
		return h
	}
	var held []*lifetime.Hold
	for i := range 7 { // a process each
		held = append(held, tp.pass(ms).assign(in(tp.hold(uint16(40000+i), "nginx", uint32(100+i), "10.0.0.5:443"), webUnit, "/usr/sbin/nginx", "www-data", 33)))
	}
	named := cart
	named.ContainerName, named.Pod, named.PodNamespace = "app", "cart-0", "prod"
	for i := range 5 {
		h := tp.pass(ms).assign(in(tp.hold(uint16(41000+i), "java", 700, "10.0.0.6:5432"), cart, "/opt/java", "", 65534))
		h.NetNS, h.NetNSName = 4026532999, lifetime.Intern("cni-1")
		if i == 2 {
			h.Owner.Place = lifetime.Intern(named)
		}
		held = append(held, h)
	}
	held = append(held,
		tp.assign(in(tp.hold(42000, "rsync", 900, "10.0.0.7:873"), sync, "/usr/bin/rsync", "alice", 1000)),
		tp.assign(in(tp.hold(42001, "sh", 901, "10.0.0.7:22"), evil, "/bin/\u202esh\xff", "x\n", 7)))
	nobody := tp.hold(42002, "", 0, "10.0.0.7:22")
	nobody.Owner = lifetime.Owner{}
	held = append(held, tp.assign(nobody))
	for range 13 {
		tp.fail(lifetime.RangeExhausted, "nginx", 100)
	}
	for _, h := range held {
		tp.pass(sec).release(h, event.Closed, states{event.Established: tp.now.Sub(h.Assigned)})
	}
	return tp.close()
}

func TestByGolden(t *testing.T) {
	var out bytes.Buffer
	for _, name := range party.Names() {
		by := party.LevelOf(name)
		s := reportOn(t, Options{By: by, Top: 3}, cluster())
		var text, object bytes.Buffer
		if err := s.WriteText(&text, TextOptions{}); err != nil {
			t.Fatal(err)
		}
		_, table, found := strings.Cut(text.String(), "\n"+by.Title()+"\n")
		if !found || by != party.Process && strings.Contains(text.String(), "\nProcesses\n") {
			t.Errorf("by %s: no table of its own:\n%s", name, &text)
		}
		table, _, _ = strings.Cut(table, "\n\n")
		fmt.Fprintf(&out, "# --by %s\n%s\n", name, table)
		if err := s.WriteJSON(&object); err != nil {
			t.Fatal(err)
		}
		if by != party.Process {
			fmt.Fprintf(&out, "%s\n", topOf(t, object.Bytes(), by))
		}
	}
	golden(t, "by.txt", out.Bytes())
}

// topOf is one list of JSON's top, beside those of the contract.
func topOf(t *testing.T, object []byte, by party.Level) []byte {
	t.Helper()
	var got struct {
		Top map[string]json.RawMessage
	}
	if err := json.Unmarshal(object, &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"processes", "destinations", "paths", "programs", "missing_ns"} {
		if got.Top[key] == nil {
			t.Errorf("by %s: top lacks %s", by, key)
		}
	}
	if len(got.Top) != 6 {
		t.Errorf("by %s: top has %d lists", by, len(got.Top))
	}
	var list bytes.Buffer
	if err := json.Indent(&list, got.Top[by.Plural()], "", "  "); err != nil {
		t.Fatalf("by %s: %v", by, err)
	}
	return list.Bytes()
}

// However holds are grouped, together they are all there are.
func TestByAddsUp(t *testing.T) {
	for _, name := range party.Names()[1:] {
		s := reportOn(t, Options{By: party.LevelOf(name), Top: 2}, cluster(), web())
		sum := s.Groups.Others.Tally
		for _, row := range s.Groups.Rows {
			sum.add(row.Tally)
		}
		if sum.Holds != s.All.Holds || sum.Failures != s.All.Failures || seconds(sum.Held) != seconds(s.All.Held) {
			t.Errorf("by %s: %+v, want %+v", name, sum, s.All)
		}
	}
}

// Three times more parties than rows are kept stay in bounded memory, names and all.
func TestByIsBounded(t *testing.T) {
	c := New(Options{By: party.Container, Top: 5})
	if err := c.Write(&lifetime.Record{Type: lifetime.Start, Time: epoch, Start: &lifetime.StartInfo{Schema: 1, Host: "h"}}); err != nil {
		t.Fatal(err)
	}
	for i := range 6 * rowsKept {
		id := fmt.Sprintf("%064x", i)
		h := lifetime.Hold{ID: uint64(i + 1), Proto: event.TCP, Port: 40000, NetNS: 1, Assigned: epoch,
			Owner: lifetime.Owner{PID: uint32(i + 1), Place: lifetime.Intern(lifetime.Place{Container: id, ContainerName: "c" + id})}}
		h.States[event.Established] = ms
		if i%1009 == 0 {
			h.States[event.Established] = sec
		}
		for _, typ := range []lifetime.Type{lifetime.Assign, lifetime.Release} {
			if err := c.Write(&lifetime.Record{Type: typ, Time: epoch, Hold: &h, Reason: event.Closed}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(c.out.groups.rows); n > 2*rowsKept {
		t.Errorf("%d rows are kept", n)
	}
	s := c.Summary()
	if len(s.Groups.Rows) != 5 || s.Groups.Slack == 0 || !slices.IsSortedFunc(s.Groups.Rows, func(a, b Row[Group]) int { return a.Key.Compare(b.Key.Key) }) {
		t.Errorf("%+v", s.Groups)
	}
	for _, row := range s.Groups.Rows {
		if row.Held.Seconds() != 1 || party.Container.Name(row.Key.Key, row.Label)[0] != 'c' {
			t.Errorf("%+v", row)
		}
	}
}
