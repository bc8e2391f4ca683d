package check

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/terminal"
)

// The fields are a contract.
func TestWriteJSON(t *testing.T) {
	port := terminal.NewPortAnswer(1433)
	port.Namespaces = []terminal.PortInNetNS{
		{NetNS: 7, Lo: 1024, Hi: 2000, InRange: true, Holders: []lifetime.Hold{{
			NetNS: 7, Proto: event.TCP, Port: 1433, Src: netip.IPv6Unspecified(), State: event.Listening,
			Owner: lifetime.Owner{PID: 9, Comm: "\xff\"", UID: 0, Place: lifetime.Intern(lifetime.Place{Cgroup: "/"})},
		}}},
		{NetNS: 8, Lo: 32768, Hi: 60999, Reserved: true},
	}
	r := Result{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 3600)), Home: 7, Level: Critical, Port: &port,
		Pools: terminal.PoolsAnswer{Pools: []terminal.PoolAnswer{
			{
				NetNS: 7, Proto: event.TCP, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddrPort("10.0.0.5:5432"),
				InUse: 19, Usable: 20, States: [event.States]int{event.TimeWait: 13, event.Established: 6},
				Owners: []terminal.OwnerCount{{Owner: lifetime.Owner{PID: 9, Comm: "<api>", Place: lifetime.Intern(lifetime.Place{
					Cgroup: "/x/docker-1.scope", Unit: "a.service", Container: "1", Runtime: "docker", ContainerName: "api<1>",
				})}, Count: 5}, {Count: 1}},
				Unowned: 13,
			},
			{NetNS: 8, Proto: event.UDP, Src: netip.MustParseAddr("::1"), InUse: 1, Usable: 4, States: [event.States]int{event.Bound: 1}},
		}},
	}
	want := `{"time":"2026-01-02T02:04:05.000006000Z","level":"critical","pools":[` +
		`{"netns":7,"proto":"tcp","kind":"connect","src":"10.0.0.1","dst":"10.0.0.5","dst_port":5432,` +
		`"in_use":19,"usable":20,"percent":95,"states":{"ESTABLISHED":6,"TIME_WAIT":13},` +
		`"owners":[{"pid":9,"comm":"<api>","count":5,"cgroup":"/x/docker-1.scope","container":"1","unit":"a.service","runtime":"docker",` +
		`"container_name":"api<1>"},{"pid":null,"comm":null,"count":1,"cgroup":null,"container":null}]},` +
		`{"netns":8,"proto":"udp","kind":"bind","src":"::1","dst":null,"dst_port":null,` +
		`"in_use":1,"usable":4,"percent":25,"states":{"BOUND":1},"owners":[]}],` +
		`"port":{"port":1433,"class":"user","service":"ms-sql-s","in_range":true,"reserved":false,"holds":[` +
		`{"id":null,"netns":7,"proto":"tcp","port":1433,"src":"::","dst":null,"dst_port":null,"path":null,"assigned":null,` +
		`"pid":9,"tid":null,"comm":"\udcff\"","uid":0,"cgroup":"/","container":null,"state":"LISTEN"}]}}` + "\n"
	var got bytes.Buffer
	if err := r.WriteJSON(&got); err != nil || got.String() != want {
		t.Errorf("%v\ngot  %swant %s", err, &got, want)
	}

	got.Reset()
	err := (&Result{Time: time.Unix(0, 0), Level: Unknown}).WriteJSON(&got)
	if want := `{"time":"1970-01-01T00:00:00.000000000Z","level":"unknown","pools":[]}` + "\n"; err != nil || got.String() != want {
		t.Errorf("%v\ngot  %swant %s", err, &got, want)
	}
}

type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriteJSONError(t *testing.T) {
	if err := new(Result).WriteJSON(closedPipe{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}
