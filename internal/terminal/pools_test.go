package terminal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

func TestPoolsGolden(t *testing.T) {
	database := PoolAnswer{
		Level: "critical", NetNS: testNetNS, Proto: event.TCP,
		Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddrPort("10.0.0.5:5432"),
		InUse: 28231, Usable: 28232, EvenInUse: 14116, EvenUsable: 14116,
		States:  [event.States]int{event.TimeWait: 27911, event.Established: 320},
		Owners:  []OwnerCount{{lifetime.Owner{PID: 1234, Comm: "postgres", Place: lifetime.Intern(lifetime.Place{Cgroup: "/system.slice/postgresql.service", Unit: "postgresql.service"})}, 300}, {lifetime.Owner{PID: 5, Comm: "cron", Place: lifetime.Intern(lifetime.Place{Cgroup: "/build"})}, 20}},
		Unowned: 27911,
	}
	listeners := PoolAnswer{
		Level: "warning", NetNS: testNetNS + 1, Proto: event.TCP, Src: netip.MustParseAddr("::"),
		InUse: 7, Usable: 10, EvenInUse: 3, EvenUsable: 5,
		States: [event.States]int{event.Bound: 2, event.Listening: 5},
		Owners: []OwnerCount{{lifetime.Owner{PID: 1, Comm: hostile[0]}, 4}, {lifetime.Owner{}, 1}, {lifetime.Owner{PID: 3, Comm: "c", Place: lifetime.Intern(lifetime.Place{ContainerName: hostile[3]})}, 1}, {lifetime.Owner{PID: 4, Comm: "d"}, 1}},
	}
	resolver := PoolAnswer{
		Level: "critical", NetNS: testNetNS, Proto: event.UDP, Src: netip.MustParseAddr("127.0.0.1"), InUse: 10, Usable: 10, EvenInUse: 5, EvenUsable: 5,
		States: [event.States]int{event.Bound: 3, event.Established: 7}, Unowned: 10,
	}
	well := database
	well.Level, well.InUse = "ok", 3476
	var out bytes.Buffer
	for _, tt := range []struct {
		what   string
		answer PoolsAnswer
		color  bool
	}{
		{"nothing", PoolsAnswer{Level: "ok", Shared: true}, false},
		{"well", PoolsAnswer{Level: "ok", Pools: []PoolAnswer{well}, Number: 7, Shared: true}, false},
		{"well, one", PoolsAnswer{Level: "ok", Pools: []PoolAnswer{well}, Number: 1}, false},
		{"unknown", PoolsAnswer{Level: "unknown", Pools: []PoolAnswer{well}, Number: 7}, false},
		{"full", PoolsAnswer{Level: "critical", Pools: []PoolAnswer{resolver, database, listeners}, Number: 9, Full: 3, Warn: 70}, false},
		{"in colour, more than fit", PoolsAnswer{Level: "critical", Pools: []PoolAnswer{database}, Number: 900, Full: 31, Warn: 70, Shared: true}, true},
	} {
		fmt.Fprintf(&out, "# %s\n", tt.what)
		if err := WritePools(&out, &tt.answer, tt.color); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "pools.txt", out.Bytes())
}

func TestWritePoolsError(t *testing.T) {
	err := WritePools(failingWriter{io.ErrClosedPipe}, &PoolsAnswer{Level: "ok"}, false)
	if !errors.Is(err, io.ErrClosedPipe) || err.Error() != "writing the answer about pools: io: read/write on closed pipe" {
		t.Errorf("got %v", err)
	}
}
