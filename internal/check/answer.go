package check

import (
	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/owner"
	"porttrace/internal/pool"
	"porttrace/internal/terminal"
)

// tell makes answers of what was seen.
func (l *look) tell() error {
	view := pool.NewView(l.ranges, l.sockets)
	pools, full := l.judge(view.Pools())
	answer := &l.result.Pools
	answer.Level, answer.Number, answer.Full = l.result.Level.String(), len(pools), full
	answer.Warn, answer.Shared = l.Warn, len(l.seen) == 1
	if l.Most > 0 {
		pools = pools[:min(len(pools), max(full, 1), l.Most)]
	}
	owned := pools
	if l.Most > 0 {
		owned = pools[:min(len(pools), full)]
	}
	owners, err := l.ownersOf(view, owned)
	if err != nil {
		return err
	}
	for _, p := range pools {
		answer.Pools = append(answer.Pools, l.describe(view, p, owners))
	}
	if l.Port != 0 {
		l.result.Port = l.port(owners)
	}
	return nil
}

// judge returns the pools asked for, how many of them are not ok, and sets the level.
func (l *look) judge(all []pool.Standing) (pools []pool.Standing, full int) {
	for _, p := range all {
		if p.Src.Is4() && !l.IPv4 || p.Src.Is6() && !l.IPv6 {
			continue
		}
		pools = append(pools, p)
		if level := l.Of(p.InUse, p.Usable); level != OK {
			full++
			l.result.Level = max(l.result.Level, level)
		}
	}
	if len(l.result.Errors) > 0 && l.result.Level == OK {
		l.result.Level = Unknown
	}
	return pools, full
}

// ownersOf finds the owners of all sockets that will be told of, by their inodes.
func (l *look) ownersOf(view *pool.View, pools []pool.Standing) (map[uint32]lifetime.Owner, error) {
	wanted := map[uint32]bool{}
	want := func(s *socket) {
		if s.inode != 0 {
			wanted[s.inode] = true
		}
	}
	for _, p := range pools {
		for seat := range view.Seats(p.Key) {
			want(&l.sockets[seat.Hold])
		}
	}
	for i := range l.sockets {
		if l.sockets[i].src.Port() == l.Port {
			want(&l.sockets[i])
		}
	}
	found, err := holders(wanted)
	if err != nil {
		return nil, err
	}
	var resolver owner.Resolver
	processes := map[uint32]lifetime.Owner{}
	owners := make(map[uint32]lifetime.Owner, len(found))
	for inode, pid := range found {
		o, known := processes[pid]
		if !known {
			o = resolver.OfProcess(pid)
			processes[pid] = o
		}
		owners[inode] = o
	}
	return owners, nil
}

func (l *look) describe(view *pool.View, p pool.Standing, owners map[uint32]lifetime.Owner) terminal.PoolAnswer {
	a := terminal.PoolAnswer{
		Level: l.Of(p.InUse, p.Usable).String(), NetNS: p.NetNS, Proto: p.Proto, Src: p.Src, Dst: p.Dst,
		InUse: p.InUse, Usable: p.Usable,
	}
	if a.Level != OK.String() {
		evens := view.Evens(p.Key)
		a.EvenInUse, a.EvenUsable = evens.InUse, evens.Usable
	}
	counts := map[lifetime.Owner]int{}
	for seat := range view.Seats(p.Key) {
		l.states.add(seat.Port, seat.State)
		if inode := l.sockets[seat.Hold].inode; inode == 0 {
			a.Unowned++
		} else {
			o := owners[inode]
			counts[lifetime.Owner{PID: o.PID, Comm: o.Comm, Place: o.Place}]++
		}
	}
	for seat := range view.Seats(p.Key) {
		if state, counts := l.states.take(seat.Port); counts {
			a.States[state]++
		}
	}
	a.Owners = terminal.TopOwners(counts)
	return a
}

// port answers what a person asks of a port, in the namespace named, or in the own one and
// every other that has it in use.
func (l *look) port(owners map[uint32]lifetime.Owner) *terminal.PortAnswer {
	held := l.heldAtPort(owners)
	a := terminal.NewPortAnswer(l.Port)
	a.Untimed = true
	for _, rng := range l.seen {
		if holds := held[rng.NetNS]; rng.NetNS == l.result.Home || len(holds) > 0 {
			a.Namespaces = append(a.Namespaces, terminal.PortInNetNS{
				NetNS: rng.NetNS, Lo: rng.Lo, Hi: rng.Hi, Holders: holds,
				InRange: rng.Contains(l.Port), Reserved: rng.IsReserved(l.Port),
			})
		}
	}
	return &a
}

// heldAtPort returns the holds of the port by namespace.
func (l *look) heldAtPort(owners map[uint32]lifetime.Owner) map[uint32][]lifetime.Hold {
	held := map[uint32][]lifetime.Hold{}
	told := map[uint64]bool{} // one that changed its state under the dump is in it twice
	for i := range l.sockets {
		s := &l.sockets[i]
		if s.src.Port() != l.Port || told[s.cookie] {
			continue
		}
		told[s.cookie] = true
		var h lifetime.Hold
		s.hold(&h)
		h.Path = 0 // that of the pool is a guess
		if o, known := owners[s.inode]; known {
			h.Owner = o
			h.Owner.UID = s.uid
		}
		held[s.netns] = append(held[s.netns], h)
	}
	return held
}

// portStates is the first state of each port of a pool, plus one; 0: none.
type portStates [1 << 16]event.State

func (s *portStates) add(port uint16, state event.State) {
	if s[port] == 0 || state < s[port]-1 {
		s[port] = state + 1
	}
}

// take returns a port's state once, and forgets it.
func (s *portStates) take(port uint16) (state event.State, ok bool) {
	state, s[port] = s[port], 0
	return state - 1, state != 0
}
