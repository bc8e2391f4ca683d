package diagnose

import (
	"cmp"
	"fmt"

	"porttrace/internal/lifetime"
)

// partyKey tells those apart whom people would name as one: the processes of a name in a
// container or unit, however many they were.
type partyKey struct {
	comm, cgroup string
	uid          uint32
	known        bool
}

// party is an owner of ports, without a process id: it may have been many processes.
type party struct {
	owner lifetime.Owner
	known bool
}

func (e *Engine) party(o *lifetime.Owner) *party {
	k := partyKey{o.Comm, o.Place.Value().Cgroup, o.UID, o.PID != 0}
	who := e.parties[k]
	if who == nil {
		if len(e.parties) >= max(maxParties, e.room.parties) {
			e.sweepParties()
		}
		who = &party{owner: *o, known: o.PID != 0}
		who.owner.PID, who.owner.TID, who.owner.Program = 0, 0, lifetime.Interned[lifetime.Program]{}
		e.parties[k] = who
	}
	who.owner.Place = o.Place // the names in it are learned late
	return who
}

// suspect is a party, and the one process of it that has to do with something.
type suspect struct {
	*party
	pid uint32 // 0: several, or unknown
	met bool
}

// meet adds a process.
func (w *suspect) meet(pid uint32) {
	switch {
	case !w.met:
		w.pid, w.met = pid, true
	case w.pid != pid:
		w.pid = 0
	}
}

// culprit is the owner to name, nil if that says nothing.
func (w suspect) culprit() *lifetime.Owner {
	if w.party == nil || !w.known {
		return nil
	}
	owner := w.owner
	owner.PID = w.pid
	return &owner
}

// isKnown says whether there is a name to it.
func (w suspect) isKnown() bool { return w.party != nil && w.known }

// name is for people; whoever prints it escapes it.
func (w suspect) name() string {
	if w.pid == 0 {
		return w.owner.Comm
	}
	return fmt.Sprintf("%s (%d)", w.owner.Comm, w.pid)
}

// before orders parties where all else is equal.
func (w *party) before(other *party) bool {
	return cmp.Or(cmp.Compare(w.owner.Comm, other.owner.Comm), cmp.Compare(w.owner.Place.Value().Cgroup, other.owner.Place.Value().Cgroup), cmp.Compare(w.owner.UID, other.owner.UID)) < 0
}
