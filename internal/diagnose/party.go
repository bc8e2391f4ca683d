package diagnose

import (
	"cmp"

	"porttrace/internal/lifetime"
)

// partyKey tells those apart whom people would name as one: the processes of a name in a
// container or unit, however many they were.
type partyKey struct {
	comm, cgroup string
	uid          uint32
	known        bool
}

// party is an owner of ports.
type party struct {
	owner lifetime.Owner // PID 0: several, or unknown
	known bool
}

func (e *Engine) party(o *lifetime.Owner) *party {
	k := partyKey{o.Comm, o.Cgroup, o.UID, o.PID != 0}
	who := e.parties[k]
	if who == nil {
		if len(e.parties) >= max(maxParties, e.room.parties) {
			e.sweepParties()
		}
		who = &party{owner: *o, known: o.PID != 0}
		e.parties[k] = who
	}
	if who.owner.PID != o.PID {
		who.owner.PID, who.owner.TID = 0, 0
	}
	return who
}

// culprit is the owner to name, nil if that says nothing.
func (w *party) culprit() *lifetime.Owner {
	if w == nil || !w.known {
		return nil
	}
	owner := w.owner
	owner.TID = 0
	return &owner
}

// before orders parties where all else is equal.
func (w *party) before(other *party) bool {
	return cmp.Or(cmp.Compare(w.owner.Comm, other.owner.Comm), cmp.Compare(w.owner.Cgroup, other.owner.Cgroup), cmp.Compare(w.owner.UID, other.owner.UID)) < 0
}
