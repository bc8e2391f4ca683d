package scenario

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/diagnose"
	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/sockdiag"
)

// seed is a namespace with something wrong in it.
type seed struct {
	name    string // of the threads that are to blame
	ports   int    // in its range
	plant   func(*plot)
	verdict func(*plot) verdict
}

// verdict is what must be found: symptom first, or nothing if that is "", and cause
// first among what explains it.
type verdict struct {
	symptom, cause diagnose.ID
	nobody         bool   // is to blame: else it is who the seed is named after
	taker          string // of the ports, as the symptom names it; "" not compared
	numbers        []diagnose.Number
}

// plot is where a seed grows.
type plot struct {
	*rig
	*seed
	d       *diagnosed
	t       *testing.T
	failed  ktime.Wall // the first time that no port could be had
	measure float64    // what a verdict compares with, taken by plant
}

// firstPort is where the range of each namespace begins.
const firstPort = 40000

// Where connect() or bind() is to find every port of a range, it has an even number of
// them: of an odd one they leave one out, by chance (__inet_hash_connect).
var seeds = []seed{
	{"churner", 226, plantChurn, func(p *plot) verdict {
		n := p.measure
		return verdict{symptom: diagnose.Exhausted, cause: diagnose.TimeWaitChurn, numbers: []diagnose.Number{
			{Name: "time_wait", Value: n}, {Name: "in_use", Value: n}, {Name: "usable", Value: 226}, {Name: "culprit_percent", Value: 100},
		}}
	}},
	{"leaker", 214, plantLeak, func(p *plot) verdict {
		n := float64(p.counts(event.TCP)[sockdiag.Established])
		return verdict{symptom: diagnose.Exhausted, cause: diagnose.LeakEstablished, numbers: []diagnose.Number{
			{Name: "ports", Value: n}, {Name: "in_use", Value: n}, {Name: "usable", Value: 214}, {Name: "failures", Value: crowd + 1},
		}}
	}},
	{"deaf", 197, plantCloseWait, alone(diagnose.LeakCloseWait, sockdiag.CloseWait, 197)},
	{"caller", 193, plantSynSent, alone(diagnose.SynSentPileup, sockdiag.SynSent, 193)},
	{"quick", 191, plantFinWait2, alone(diagnose.FinWait2Orphans, sockdiag.FinWait2, 191)},
	{"binder", 106, plantPoison, func(p *plot) verdict {
		n := float64(p.counts(event.TCP)[sockdiag.Established])
		return verdict{symptom: diagnose.Exhausted, cause: diagnose.Poisoned, numbers: []diagnose.Number{
			{Name: "poisoned", Value: n}, {Name: "range_usable", Value: 106}, {Name: "left_for_connect", Value: 0},
			{Name: "in_use", Value: 0}, {Name: "usable", Value: 0},
		}}
	}},
	{"resolver", 103, plantUDP, func(p *plot) verdict {
		n := float64(p.counts(event.UDP)[sockdiag.Established])
		return verdict{symptom: diagnose.UDPExhausted, cause: diagnose.RangeCut, nobody: true, taker: p.name, numbers: []diagnose.Number{
			{Name: "culprit_percent", Value: 100}, {Name: "in_use", Value: n}, {Name: "usable", Value: 103}, {Name: "failures", Value: crowd},
		}}
	}},
	{"small", 94, plantSmall, cut(94, 0, 0)},
	{"reserved", 109, plantReserved, cut(0, 109, 0)},
	{"listener", 118, plantListeners, cut(118-listeners, 0, listeners)},
	{"searcher", 5003, plantCliff, func(p *plot) verdict {
		return verdict{cause: diagnose.SearchCliff, numbers: []diagnose.Number{
			{Name: "in_use", Value: float64(p.counts(event.TCP)[sockdiag.Established])}, {Name: "usable", Value: 5003},
			{Name: "searches", Value: float64(len(p.searches()))},
		}}
	}},
	{"narrow", 131, plantSocketRange, func(*plot) verdict {
		return verdict{cause: diagnose.SocketRange, numbers: []diagnose.Number{
			{Name: "socket_range", Value: fourPorts}, {Name: "in_use", Value: fourPorts}, {Name: "usable", Value: 131}, {Name: "failures", Value: crowd},
		}}
	}},
	{"clasher", 137, plantClash, func(*plot) verdict {
		return verdict{cause: diagnose.TupleClash, numbers: []diagnose.Number{{Name: "failures", Value: crowd}}}
	}},
	{"stranger", 139, plantStranger, func(*plot) verdict {
		return verdict{cause: diagnose.AddressNotLocal, numbers: []diagnose.Number{{Name: "failures", Value: crowd}}}
	}},
	{"taker", 149, plantFixed, func(*plot) verdict {
		return verdict{cause: diagnose.FixedPortLost, numbers: []diagnose.Number{{Name: "port", Value: fixed}, {Name: "given_away", Value: 1}}}
	}},
}

// alone is the verdict where one thing is amiss, and ports are left.
func alone(id diagnose.ID, state sockdiag.State, usable int) func(*plot) verdict {
	return func(p *plot) verdict {
		n := p.measure
		if n == 0 {
			n = float64(p.counts(event.TCP)[state])
		}
		return verdict{cause: id, numbers: []diagnose.Number{
			{Name: "ports", Value: n}, {Name: "in_use", Value: n}, {Name: "usable", Value: float64(usable)},
		}}
	}
}

func cut(usable, reserved, bound int) func(*plot) verdict {
	return func(*plot) verdict {
		return verdict{symptom: diagnose.Exhausted, cause: diagnose.RangeCut, nobody: true, numbers: []diagnose.Number{
			{Name: "usable", Value: float64(usable)}, {Name: "reserved", Value: float64(reserved)}, {Name: "bound", Value: float64(bound)},
		}}
	}
}

// What is wrong on a host is found, and named first, while tracing and in the recording.
// All share a trace, and the time it takes to run out of ports.
func TestFindings(t *testing.T) {
	t.Parallel()
	options := everything()
	options.Explicit = true
	d := attachDiagnosed(t, options)
	plots := make([]*plot, len(seeds))
	for i := range seeds {
		plots[i] = newPlot(t, d, &seeds[i])
	}
	steady := newPlot(t, d, &seed{name: "steady", ports: 499})
	d.begin()

	var all sync.WaitGroup
	for _, p := range plots {
		all.Go(func() {
			t.Run(p.name, func(t *testing.T) {
				p.t = t
				p.plant(p)
				p.await()
			})
		})
	}
	all.Go(func() { steady.as("steady", func() { steady.ramp(45*time.Second, hangUp) }) })
	all.Wait()
	verdicts := make([]verdict, len(plots))
	for i, p := range plots {
		verdicts[i] = p.verdict(p)
	}
	d.tr.stop()
	d.engine.Judge(0)
	for told, findings := range map[string][]diagnose.Finding{"at the end": d.engine.Findings(), "in the recording": d.tr.reported()} {
		for i, p := range plots {
			if p.t.Skipped() {
				continue
			}
			if amiss := verdicts[i].amiss(p, within(findings, p.ns)); amiss != "" {
				t.Errorf("%s, %s: %s\n%s", p.name, told, amiss, tell(within(findings, p.ns)))
			}
		}
	}
	t.Run("forecast", func(t *testing.T) { checkForecasts(t, plots, steady) })
}

func newPlot(t *testing.T, d *diagnosed, s *seed) *plot {
	t.Helper()
	p := &plot{rig: newRig(t, d.tr, v4), seed: s, d: d, t: t}
	p.ns.Sysctl(t, "ipv4/ip_local_port_range", fmt.Sprint(firstPort, firstPort+s.ports-1))
	p.ns.Sysctl(t, "ipv4/tcp_tw_reuse", "0")
	return p
}

// await waits until the verdict is found.
func (p *plot) await() {
	p.t.Helper()
	var amiss string
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		found := p.d.of(p.ns)
		if amiss = p.verdict(p).amiss(p, found); amiss == "" {
			p.t.Logf("\n%s", tell(found))
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s\n%s", amiss, tell(found))
		}
	}
}

// amiss says what findings are not as they should be, "" if they are.
func (v verdict) amiss(p *plot, findings []diagnose.Finding) string {
	if len(findings) == 0 {
		return "nothing is found"
	}
	first, id := findings[0], v.cause
	if v.symptom != "" {
		id = v.symptom
	}
	if first.ID != id {
		return fmt.Sprintf("%s comes first, want %s", first.ID, id)
	}
	proofs := findings[:1]
	if v.symptom != "" {
		i := slices.IndexFunc(findings, func(f diagnose.Finding) bool { return f.ID == v.cause })
		if i < 0 || len(first.Because) == 0 || first.Because[0] != v.cause {
			return fmt.Sprintf("%s is because of %v, want %s first", first.ID, first.Because, v.cause)
		}
		proofs = []diagnose.Finding{findings[i], first}
	}
	if who := proofs[0].Culprit; v.nobody != (who == nil) || who != nil && (who.Comm != p.name || int(who.PID) != unix.Getpid()) {
		return fmt.Sprintf("the culprit of %s is %+v, want %s/%d", v.cause, who, p.name, unix.Getpid())
	}
	if who := first.Culprit; v.taker != "" && (who == nil || who.Comm != v.taker) {
		return fmt.Sprintf("the ports are taken by %+v, want %s", who, v.taker)
	}
	var lines []string
	for _, want := range v.numbers {
		if got := valueOf(proofs, want.Name); got != want.Value {
			lines = append(lines, fmt.Sprintf("%s is %v, want %v", want.Name, got, want.Value))
		}
	}
	return strings.Join(lines, ", ")
}

// valueOf is the first number of a name, NaN if there is none.
func valueOf(findings []diagnose.Finding, name string) float64 {
	for _, f := range findings {
		for _, n := range f.Evidence {
			if n.Name == name {
				return n.Value
			}
		}
	}
	return math.NaN()
}

// counts is how many sockets the kernel's own tables have in each state, the server's
// not counted.
func (p *plot) counts(proto event.Proto) map[sockdiag.State]int {
	var sockets []sockdiag.Socket
	var err error
	p.ns.Do(func() { sockets, err = sockdiag.Dump(unix.AF_INET, int(proto), sockdiag.AllStates) })
	if err != nil {
		p.t.Fatal(err)
	}
	n := map[sockdiag.State]int{}
	for _, s := range sockets {
		if s.Src.Port() != serverPort {
			n[s.State]++
		}
	}
	return n
}
