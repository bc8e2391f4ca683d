//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
)

// placed are clients in cgroups that are named as systemd, docker and the kubelet name
// theirs. No other test has the names.
type placed struct {
	root         testutil.Cgroup
	unit, id     string
	pod          string // uid
	inUnit, inID *clientProcess
	inPod, other *clientProcess
}

func newPlaced(t *testing.T) *placed {
	p := &placed{
		root: testutil.NewCgroup(t, "porttrace-test-*"),
		unit: fmt.Sprintf("porttrace-test-%d.service", os.Getpid()),
		id:   fmt.Sprintf("%08x%056x", os.Getpid(), 23),
		pod:  fmt.Sprintf("%08x-0023-0023-0023-%012x", os.Getpid(), 23),
	}
	client := func(path string) *clientProcess {
		in := p.root.Below(t, path)
		c := newClient(t, 40000, 40000+placedPorts-1)
		c.ns.Sysctl(t, "ipv4/tcp_tw_reuse", "0")
		in.Add(t, c.pid)
		return c
	}
	p.inUnit = client("system.slice/" + p.unit)
	p.inID = client("docker-" + p.id + ".scope")
	p.inPod = client("kubepods/burstable/pod" + p.pod + "/" + p.id)
	p.other = client("system.slice2/" + p.unit + "x")
	return p
}

func (p *placed) all() []*clientProcess {
	return []*clientProcess{p.inUnit, p.inID, p.inPod, p.other}
}

// Of processes that do the same, each filter lets through those of one cgroup, unit,
// container or pod: their holds, their failures, and the totals of these. What was
// asked for is in the recording.
func TestFiltersByPlace(t *testing.T) {
	p := newPlaced(t)
	runs := []*placeRun{
		{args: []string{"--cgroup", p.root.Path}, want: p.all()},
		{args: []string{"--unit", strings.TrimSuffix(p.unit, ".service")}, want: []*clientProcess{p.inUnit}},
		{args: []string{"--container", p.id[:8]}, want: []*clientProcess{p.inID, p.inPod}},
		{args: []string{"--container", p.id[:8], "--pod", p.pod}, want: []*clientProcess{p.inPod}},
		{args: []string{"--cgroup", "/sys/fs/cgroup" + p.root.Path + "/system.slice/"}, want: []*clientProcess{p.inUnit}},
		{args: []string{"--unit", p.unit, "--pod", p.pod}},
	}
	for _, r := range runs {
		r.process = tracing(t, append(r.args, "-q", "-o", "x.jsonl")...)
	}
	for _, c := range p.all() {
		c.do("churn", placedFailures)
	}
	for _, r := range runs {
		r.interrupt()
		r.check(t, p)
	}
	p.checkReports(t, runs[0].path("x.jsonl"))
}

// What each client does: it takes all ports it has, and then asks so often in vain.
const placedPorts, placedFailures = 12, 5

// placeRun is a trace that is to show some of the clients.
type placeRun struct {
	*process
	args []string
	want []*clientProcess
}

func (r *placeRun) check(t *testing.T, p *placed) {
	t.Helper()
	records := wholeButLost(t, readFile(t, r.path("x.jsonl"))) // others' traffic is traced, too
	if start := records[0].Start; !strings.Contains(start.Filter, r.args[0]+" ") {
		t.Errorf("%q: the recording was filtered by %q", r.args, start.Filter)
	}
	for _, c := range p.all() {
		failures := slices.DeleteFunc(ofType(records, lifetime.Failure), func(r *lifetime.Record) bool { return r.Failure.NetNS != c.ns.Inode })
		got := [2]int{len(c.own(records, lifetime.Assign)), len(failures)}
		want := [2]int{}
		if slices.Contains(r.want, c) {
			want = [2]int{placedPorts, placedFailures}
		}
		if got != want {
			t.Errorf("%q: assigns and failures of process %d are %d, want %d", r.args, c.pid, got, want)
		}
	}
	if n, want := len(ofType(records, lifetime.Assign)), placedPorts*len(r.want); n != want {
		t.Errorf("%q: %d assigns, want only the %d of the test", r.args, n, want)
	}
}

// checkReports checks by whom a report says the ports of all clients were held.
func (p *placed) checkReports(t *testing.T, recording string) {
	t.Helper()
	for by, want := range map[string]map[string]int{
		"unit":      {p.unit: placedPorts, "": 3 * placedPorts},
		"container": {p.id: 2 * placedPorts, "": 2 * placedPorts},
		"pod":       {p.pod: placedPorts, "": 3 * placedPorts},
	} {
		text, _ := reporting(t, "--by", by, "--format", "json", recording)
		var report struct{ Top map[string]json.RawMessage }
		var rows []struct {
			Unit, Container string
			Pod             string `json:"pod_uid"`
			Holds           int
		}
		if err := errors.Join(json.Unmarshal([]byte(text), &report), json.Unmarshal(report.Top[by+"s"], &rows)); err != nil {
			t.Fatalf("by %s: %v\n%s", by, err, text)
		}
		got := map[string]int{}
		for _, row := range rows {
			got[row.Unit+row.Container+row.Pod] += row.Holds
		}
		if !maps.Equal(got, want) {
			t.Errorf("by %s: %v, want %v", by, got, want)
		}
	}
	text, _ := reporting(t, "--unit", p.unit, "--by", "unit", recording)
	if !strings.Contains(text, fmt.Sprintf("lifetimes  %d:", placedPorts)) || !strings.Contains(text, "\n  "+p.unit+" ") {
		t.Errorf("of the unit it says\n%s", text)
	}
}

// The columns are those asked for, and tell where an owner runs.
func TestColumns(t *testing.T) {
	p := newPlaced(t)
	tracer := tracing(t, "-o", "none", "--cgroup", p.root.Path, "--columns", "unit,container,pod,port,event", "--netns", fmt.Sprint(p.inUnit.pid))
	port := p.inUnit.do("open", 1)[0]
	p.inUnit.do("close")
	tracer.until("the release is shown", func() bool { return strings.Contains(tracer.stdout.String(), "release") })
	tracer.interrupt()
	var got []string
	for line := range strings.Lines(tracer.stdout.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	const header = "UNIT CONTAINER POD PORT EVENT" // and again, for the unit's name wants a wider column
	row := fmt.Sprintf("%s - - %d ", p.unit, port)
	if want := []string{header, row + "assign", header, row + "release"}; !slices.Equal(got, want) {
		t.Errorf("the table is %q, want %q", got, want)
	}
}
