package chaos

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/sockdiag"
)

// firstEphemeral is below any port that the kernel chooses in a run, and above all that are
// asked for by number.
const firstEphemeral = 30000

// census counts the lines of a table.
type census map[line]int

// judge checks that the tracer and the kernel agree.
func (r *run) judge() {
	r.t.Helper()
	r.checks++
	wrong, unmet := r.disagreement(patience)
	if len(wrong) > 0 || len(unmet) > 0 {
		r.t.Fatalf("the tracer and the kernel differ:\n%s", r.evidence(wrong, unmet))
	}
	r.settle()
}

// disagreement waits until the held set has been what the kernel's tables list, key by
// key: things still expire while the workers are quiet, so no two looks need be the
// same. It returns what was never so.
func (r *run) disagreement(wait time.Duration) (wrong census, unmet []claim) {
	r.t.Helper()
	for deadline := time.Now().Add(wait); ; time.Sleep(10 * time.Millisecond) {
		before := r.kernel()
		r.book.catchUp()
		r.samples.take(r)
		wrong = differences(wrong, r.heldSet(), before, r.kernel())
		if !r.lossy { // what was lost cannot be told
			unmet = r.ledger.unmet(r.book.told)
		}
		if len(wrong) == 0 && len(unmet) == 0 || time.Now().After(deadline) {
			return wrong, unmet
		}
	}
}

// differences returns by how much more often the tracer has a line than the kernel had
// it before and after, of the lines that were wrong all the time so far.
func differences(sofar, held, before, after census) census {
	wrong := census{}
	look := func(l line) {
		was, stillWrong := sofar[l]
		if sofar != nil && !stillWrong {
			return
		}
		n, old, now := held[l], before[l], after[l]
		if n == old || n == now || was > 0 && n < now || was < 0 && n > now {
			return
		}
		wrong[l] = n - now
	}
	for _, lines := range []census{held, before, after} {
		for l := range lines {
			look(l)
		}
	}
	return wrong
}

// settle closes the books of a quiet moment.
func (r *run) settle() {
	inUse := map[place]bool{}
	for _, a := range r.arenas {
		for l := range r.table(a) {
			inUse[place{l.netns, l.src.Port()}] = true
		}
	}
	clear(r.book.told)
	r.ledger.forgetClaims()
	r.ledger.forgetListening(inUse)
}

// heldSet is what the tracer says is held in the namespaces of the run.
func (r *run) heldSet() census {
	set := census{}
	for _, h := range r.book.held {
		if r.isOurs(h) && r.isJudged(h.line) {
			set[h.line]++
		}
	}
	return set
}

// isOurs says whether a hold is of this run. The number of a namespace that is gone is
// soon another program's: what is held in there is ours where a worker is the owner.
func (r *run) isOurs(h holding) bool {
	if r.workers[h.owner] {
		return true
	}
	return slices.ContainsFunc(r.arenas, func(a *arena) bool { return a.ns.Inode == h.netns })
}

// kernel is what the kernel's tables list. Nothing is listed of namespaces that are
// gone, and nothing may be held there.
func (r *run) kernel() census {
	r.t.Helper()
	set := census{}
	for _, a := range r.arenas {
		for l, n := range r.table(a) {
			if r.isJudged(l) {
				set[l] += n
			}
		}
	}
	return set
}

// isJudged leaves out what is no hold, on both sides alike: ports that were asked for
// by number, and sockets that may share their listener's port.
func (r *run) isJudged(l line) bool {
	switch {
	case l.src.Port() < firstEphemeral:
		return false
	case l.proto == event.TCP && l.state == event.Bound && !r.lists:
		return false
	case l.proto == event.TCP && l.state != event.Listening:
		return !r.ledger.isListening(place{l.netns, l.src.Port()})
	}
	return true
}

// states are the holder's, by the kernel's.
var states = map[sockdiag.State]event.State{
	sockdiag.Established: event.Established, sockdiag.SynSent: event.SynSent, sockdiag.SynRecv: event.SynSent,
	sockdiag.FinWait1: event.FinWait1, sockdiag.FinWait2: event.FinWait2, sockdiag.TimeWait: event.TimeWait,
	sockdiag.Close: event.Bound, sockdiag.CloseWait: event.CloseWait, sockdiag.LastAck: event.LastAck,
	sockdiag.Listen: event.Listening, sockdiag.Closing: event.Closing,
}

// table is the kernel's, of one namespace.
func (r *run) table(a *arena) census {
	r.t.Helper()
	set := census{}
	var err error
	a.ns.Do(func() {
		for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
			for _, proto := range []event.Proto{event.TCP, event.UDP} {
				var sockets []sockdiag.Socket
				if sockets, err = sockdiag.Dump(family, int(proto), sockdiag.AllStates); err != nil {
					return
				}
				for _, s := range sockets {
					l := line{netns: a.ns.Inode, proto: proto, state: states[s.State], src: s.Src}
					if l.state != event.Bound && l.state != event.Listening {
						l.dst = s.Dst
					}
					set[l]++
				}
			}
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return set
}

// listsBound finds out whether the kernel lists TCP sockets that are only bound (6.8).
func (r *run) listsBound() bool {
	r.t.Helper()
	a, listed := r.arenas[0], false
	var err error
	a.ns.Do(func() {
		var fd int
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return
		}
		defer unix.Close(fd)
		if err = unix.Bind(fd, kinV4.sockaddr(netip.IPv4Unspecified(), closedPort)); err != nil {
			return
		}
		var sockets []sockdiag.Socket
		sockets, err = sockdiag.Dump(unix.AF_INET, unix.IPPROTO_TCP, sockdiag.Set(sockdiag.BoundInactive))
		listed = len(sockets) > 0
	})
	if err != nil {
		r.t.Fatalf("asking the kernel for bound sockets: %v", err)
	}
	return listed
}

// evidence describes a mismatch.
func (r *run) evidence(wrong census, unmet []claim) string {
	var tracer, kernel []string
	ports := map[place]bool{}
	for l, n := range wrong {
		text := fmt.Sprintf("  %dx %s\n", max(n, -n), l)
		if n > 0 {
			tracer = append(tracer, text)
		} else {
			kernel = append(kernel, text)
		}
		ports[place{l.netns, l.src.Port()}] = true
	}
	var claims []string
	for _, c := range unmet {
		claims = append(claims, fmt.Sprintf("  %s\n", c))
		ports[place{c.netns, c.at.Port()}] = true
	}
	return fmt.Sprintf("only the tracer has\n%sonly the kernel has\n%snot told as workers saw them assigned\n%sthe last records of these ports\n%s",
		sorted(tracer), sorted(kernel), sorted(claims), r.lastRecords(ports))
}

func sorted(lines []string) string {
	sort.Strings(lines)
	return strings.Join(lines, "")
}
