package recording

import "porttrace/internal/lifetime"

func (f *fastLine) owner(o *lifetime.Owner) bool {
	const key = `,"pid":`
	start := f.i
	m := f.owners.at(f.b[start:], len(key), len(key)+40)
	if f.recall(m.find(f.b[start:], o)) && f.isOwnerOver() {
		return true
	}
	f.i, *o = start, lifetime.Owner{}
	ok := f.readOwner(o)
	m.keep(f.b[start:f.i], o, ok)
	return ok
}

// isOwnerOver tells whether what follows is no more of an owner: one of whom little is
// known reads like the beginning of one of whom more is.
func (f *fastLine) isOwnerOver() bool {
	start := f.i
	over := f.literal(`}`) || f.literal(`,"released":`) || f.literal(`,"state":`)
	f.i = start
	return over
}

func (f *fastLine) readOwner(o *lifetime.Owner) bool {
	if f.literal(`,"pid":null,"tid":null,"comm":null,"uid":null,"cgroup":null,"container":null`) {
		return true
	}
	var pid, tid, uid uint64
	if !(f.literal(`,"pid":`) && f.number(&pid, 32) && pid != 0 &&
		f.literal(`,"tid":`) && f.known(&tid, 32) &&
		f.literal(`,"comm":`) && f.text(&o.Comm) &&
		f.literal(`,"uid":`) && f.number(&uid, 32)) {
		return false
	}
	var place lifetime.Place
	var program lifetime.Program
	var user string
	if !(f.place(&place) &&
		f.optional(`,"exe":`, &program.Exe) &&
		f.optional(`,"cmdline":`, &program.Cmdline) &&
		f.optional(`,"user":`, &user)) {
		return false
	}
	o.PID, o.TID, o.UID = uint32(pid), uint32(tid), uint32(uid)
	o.Place, o.Program, o.User = lifetime.Intern(place), lifetime.Intern(program), lifetime.Intern(user)
	return true
}

func (f *fastLine) place(p *lifetime.Place) bool {
	return f.literal(`,"cgroup":`) && f.text(&p.Cgroup) &&
		f.literal(`,"container":`) && f.text(&p.Container) &&
		f.optional(`,"unit":`, &p.Unit) &&
		f.optional(`,"user_unit":`, &p.UserUnit) &&
		f.optional(`,"runtime":`, &p.Runtime) &&
		f.optional(`,"container_name":`, &p.ContainerName) &&
		f.optional(`,"pod":`, &p.Pod) &&
		f.optional(`,"pod_namespace":`, &p.PodNamespace) &&
		f.optional(`,"pod_uid":`, &p.PodUID) &&
		f.optional(`,"qos":`, &p.QoS)
}

// optional reads a member that is left out where it is unknown.
func (f *fastLine) optional(key string, s *string) bool { return !f.literal(key) || f.text(s) }
