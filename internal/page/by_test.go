package page

import (
	"slices"
	"strings"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/party"
)

// byWorkload has owners in two units, in a pod that is named only by the last of its holds,
// in a container with a hostile name, and one nobody knows.
func byWorkload(sink *Collector) {
	w := newWorkload(sink)
	pod := lifetime.Place{
		Cgroup: "/kubepods/podx/y", Container: strings.Repeat("0123456789abcdef", 4), Runtime: "containerd",
		PodUID: "0a1b2c3d-0001-0002-0003-0123456789ab",
	}
	named := pod
	named.Pod, named.PodNamespace, named.ContainerName = "cart-0", "prod", "app"
	hold := func(port uint16, pid uint32, comm string, in lifetime.Place, long time.Duration) {
		o := lifetime.Owner{PID: pid, UID: pid / 100, Comm: comm, Place: lifetime.Intern(in), User: lifetime.Intern("user " + comm)}
		if pid == 0 {
			o = lifetime.Owner{}
		}
		w.hold(lifetime.Hold{Proto: event.TCP, Port: port, Src: source, Dst: database, Path: event.Connect, Owner: o},
			swept, event.Closed, map[event.State]time.Duration{event.Established: long})
	}
	nginx := lifetime.Place{Cgroup: "/system.slice/nginx.service", Unit: "nginx.service"}
	hold(40000, 100, "nginx", nginx, 23*time.Second)
	hold(40001, 101, "nginx", nginx, 23*time.Second)
	hold(40002, 200, "sync", lifetime.Place{Unit: "user@2.service", UserUnit: "sync.service"}, 17*time.Second)
	hold(40003, 300, "java", pod, 13*time.Second)
	hold(40004, 301, "java", named, 13*time.Second)
	hold(40005, 400, hostile, lifetime.Place{Runtime: "lxc", Container: hostile, ContainerName: hostile}, 7*time.Second)
	hold(40006, 0, "", lifetime.Place{}, 5*time.Second)
	w.advance(began + ktime.Wall(time.Minute))
	w.finish()
}

func TestByLevel(t *testing.T) {
	shown := text(hostile)
	for level, want := range map[party.Level][]string{
		party.Process:   {"nginx|several|1|nginx.service", "java|several|3|cart-0", "sync|200|2|sync.service", shown + "|400|4|" + shown, "unknown|||"},
		party.Unit:      {"nginx.service|", "-|", "user@2.service|sync.service"},
		party.Container: {"-||", strings.Repeat("0123456789abcdef", 4) + "|app|containerd", shown + "|" + shown + "|lxc"},
		party.Pod:       {"-||", "cart-0|prod|0a1b2c3d-0001-0002-0003-0123456789ab"},
		party.NetNS:     {"4026531840|"},
	} {
		c := New(Options{By: level})
		byWorkload(c)
		table := c.tables.models(200, false)["owners"]
		own := len(table.Columns) - len(sumColumns)
		var got []string
		for _, row := range table.Rows {
			var cells []string
			for _, cell := range row[:own] {
				cells = append(cells, cell.(string))
			}
			got = append(got, strings.Join(cells, "|"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %s: %q, want %q", level, got, want)
		}
	}
}

// The table and the port map are of the level asked for, and names are as inert as any.
func TestByLevelInChromium(t *testing.T) {
	for level, want := range map[party.Level]struct{ caption, first, legend string }{
		party.Unit:      {"Units", "nginx.service|-|user@2.service", "nginx.service,unknown,sync.service"},
		party.Container: {"Containers", "-|" + strings.Repeat("0123456789abcdef", 4) + "|" + text(hostile), "unknown,app," + text(hostile)},
		party.Pod:       {"Pods", "-|cart-0", "unknown,prod/cart-0"},
	} {
		t.Run(level.String(), func(t *testing.T) {
			c := New(Options{By: level})
			byWorkload(c)
			b := openPage(t, render(t, c))
			if got := ask[string](b, `document.querySelector("#tables .table h3").textContent`); got != want.caption {
				t.Errorf("the first table is of %s, want %s", got, want.caption)
			}
			if got := strings.Join(ask[[]string](b, firstColumn), "|"); got != want.first {
				t.Errorf("it has %q, want %q", got, want.first)
			}
			ask[bool](b, `page.portMap.choose("mode", "owner"), true`)
			if got := ask[string](b, `[...document.querySelectorAll("#map .legend button")].map((e) => e.textContent).join()`); got != want.legend {
				t.Errorf("the port map's legend has %q, want %q", got, want.legend)
			}
			if n := ask[int](b, `document.images.length + document.querySelectorAll("[onerror]").length`); n != 0 {
				t.Errorf("names made %d elements", n)
			}
			b.isQuiet()
		})
	}
}
