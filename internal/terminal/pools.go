package terminal

import (
	"fmt"
	"io"
	"net/netip"

	"porttrace/internal/event"
)

// PoolAnswer is how full a pool is, and who fills it. It is plain data, the same for text
// and JSON.
type PoolAnswer struct {
	Level                 string // "ok", "warning" or "critical"
	NetNS                 uint32 // inode
	Proto                 event.Proto
	Src                   netip.Addr
	Dst                   netip.AddrPort // zero: a pool of bind, listen or UDP
	InUse, Usable         int            // ports
	EvenInUse, EvenUsable int            // those of them that are even, if it is not ok
	// States is how many of the ports in use are in each. One that several sockets share
	// counts with the state that comes first: with TIME_WAIT if all have it.
	States  [event.States]int
	Owners  []OwnerCount // of the sockets, those with the most first; the zero Owner: unknown
	Unowned int          // sockets that are in no process
}

// PoolsAnswer is what there is to say of a host's pools.
type PoolsAnswer struct {
	Level  string       // "ok", "warning", "critical" or "unknown"
	Pools  []PoolAnswer // the fullest first: those that are not ok, else the first of all
	Number int          // how many pools there are
	Full   int          // how many of them are not ok
	Warn   int          // percent from which a pool is not ok
	Shared bool         // there is one namespace only, which needs no number
}

// WritePools writes a few lines for each pool that is not ok, or one line if none is.
func WritePools(w io.Writer, a *PoolsAnswer, color bool) error {
	t := Table{opts: Options{Color: color}}
	t.pools(a)
	if _, err := w.Write(t.buf); err != nil {
		return fmt.Errorf("writing the answer about pools: %w", err)
	}
	return nil
}

func (t *Table) pools(a *PoolsAnswer) {
	if a.Full == 0 {
		t.level(a.Level)
		t.buf = append(t.buf, ": "...)
		t.fullest(a)
		return
	}
	for i := range a.Pools {
		t.pool(&a.Pools[i], a.Shared)
	}
	if more := a.Full - len(a.Pools); more > 0 {
		t.buf = fmt.Appendf(t.buf, "… and %d more pools at %d%% or more\n", more, a.Warn)
	}
}

// fullest writes one line for pools that are all well, as far as they were seen.
func (t *Table) fullest(a *PoolsAnswer) {
	if a.Level == "unknown" {
		t.buf = append(t.buf, "not all could be looked at; of what was seen, "...)
	}
	if len(a.Pools) == 0 {
		t.buf = append(t.buf, "no ephemeral port is in use\n"...)
		return
	}
	p := &a.Pools[0]
	if a.Number == 1 {
		t.buf = append(t.buf, "the only pool"...)
	} else {
		t.buf = fmt.Appendf(t.buf, "the fullest of %d pools", a.Number)
	}
	t.buf = fmt.Appendf(t.buf, " is %s in use, %d of %d ports: ", percent(p.InUse, p.Usable), p.InUse, p.Usable)
	t.buf = append(appendPoolName(t.buf, p, a.Shared), '\n')
}

func (t *Table) pool(p *PoolAnswer, shared bool) {
	t.level(p.Level)
	t.buf = fmt.Appendf(t.buf, ": %s in use, %d of %d ports: ", percent(p.InUse, p.Usable), p.InUse, p.Usable)
	t.buf = append(appendPoolName(t.buf, p, shared), "\n  "...)
	for state := event.States; state > 0; state-- { // TIME_WAIT first
		if n := p.States[state-1]; n > 0 {
			t.buf = fmt.Appendf(t.buf, "%d %s, ", n, stateWord(p.Proto, state-1))
		}
	}
	t.buf = append(t.buf[:len(t.buf)-len(", ")], "; "...)
	t.buf = fmt.Appendf(t.buf, "even %d of %d, odd %d of %d\n  ", p.EvenInUse, p.EvenUsable, p.InUse-p.EvenInUse, p.Usable-p.EvenUsable)
	t.buf = appendOwners(t.buf, p.Owners)
	if p.Unowned > 0 {
		if len(p.Owners) > 0 {
			t.buf = append(t.buf, ", "...)
		}
		t.buf = fmt.Appendf(t.buf, "%d in no process", p.Unowned)
	}
	t.buf = append(t.buf, '\n')
}

// level writes a level in its colour.
func (t *Table) level(level string) {
	color := map[string]string{"ok": green, "warning": yellow, "critical": red}[level]
	t.paint(color)
	t.buf = append(t.buf, level...)
	t.unpaint(color)
}

// percent is cut, never rounded up: 100% has no port left.
func percent(inUse, usable int) string {
	tenths := 1000 * inUse / max(usable, 1)
	return fmt.Sprintf("%d.%d%%", tenths/10, tenths%10)
}

// stateWord is the state in words that fit the protocol.
func stateWord(proto event.Proto, s event.State) string {
	if proto == event.UDP && s == event.Established {
		return "connected" // UDP has no handshake to be established by
	}
	return s.String()
}

// appendPoolName writes what a pool is of: tcp connect 10.0.0.1 → 10.0.0.5:443, netns 4026531840.
func appendPoolName(b []byte, p *PoolAnswer, shared bool) []byte {
	b = append(b, p.Proto.String()...)
	switch {
	case p.Dst.IsValid():
		b = appendAddr(append(b, " connect "...), p.Src)
		b = appendAddrPort(append(b, " → "...), p.Dst)
	case p.Proto == event.UDP:
		b = appendAddr(append(b, " on "...), p.Src)
	default:
		b = appendAddr(append(b, " bind on "...), p.Src)
	}
	if !shared {
		b = fmt.Appendf(b, ", netns %d", p.NetNS)
	}
	return b
}
