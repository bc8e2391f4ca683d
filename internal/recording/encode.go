package recording

import (
	"net/netip"
	"strconv"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// AppendRecord appends r to dst as one line, newline included, and returns the
// extended slice. It allocates only to grow dst. The part of r that its Type asks for
// (Hold, Start, Failure, Pool, Lost, End, Clock, Shed) must be set; a Type that is not known appends
// nothing.
func AppendRecord(dst []byte, r *lifetime.Record) []byte { return appendRecord(dst, r, nil) }

func appendRecord(dst []byte, r *lifetime.Record, known *tails) []byte {
	switch r.Type {
	case lifetime.Start:
		dst = appendStart(appendHead(dst, `{"type":"start"`, r), r.Start)
	case lifetime.HeldAtStart:
		dst = appendHold(appendHead(dst, `{"type":"held"`, r), `,"at":"start"`, r, known)
		dst = appendState(dst, `,"state":`, r.Hold.State)
	case lifetime.Assign:
		dst = appendHold(appendHead(dst, `{"type":"assign"`, r), "", r, known)
	case lifetime.State:
		dst = appendHold(appendHead(dst, `{"type":"state"`, r), "", r, known)
		dst = appendState(dst, `,"state":`, r.Hold.State)
	case lifetime.Release:
		dst = appendHold(appendHead(dst, `{"type":"release"`, r), "", r, known)
		dst = appendWall(dst, `,"released":`, r.Time)
		dst = appendStates(dst, r.Hold)
		dst = appendReason(dst, `,"reason":`, r.Reason)
	case lifetime.Failure:
		dst = appendFailure(appendHead(dst, `{"type":"failure"`, r), r.Failure, known)
	case lifetime.Pool:
		dst = appendPool(appendHead(dst, `{"type":"pool"`, r), r.Pool)
	case lifetime.Lost:
		dst = appendLost(appendHead(dst, `{"type":"lost"`, r), r.Lost)
	case lifetime.HeldAtEnd:
		dst = appendHold(appendHead(dst, `{"type":"held"`, r), `,"at":"end"`, r, known)
		dst = appendState(dst, `,"state":`, r.Hold.State)
		dst = appendStates(dst, r.Hold)
	case lifetime.Clock:
		dst = appendClock(appendHead(dst, `{"type":"clock"`, r), r)
	case lifetime.Shed:
		dst = appendShed(appendHead(dst, `{"type":"shed"`, r), r.Shed)
	case lifetime.End:
		dst = appendEnd(appendHead(dst, `{"type":"end"`, r), r.End)
	default:
		return dst
	}
	return append(dst, '}', '\n')
}

func appendHead(dst []byte, opening string, r *lifetime.Record) []byte {
	dst = append(dst, opening...)
	return appendWall(dst, `,"time":`, r.Time)
}

func appendHold(dst []byte, at string, r *lifetime.Record, known *tails) []byte {
	h := r.Hold
	dst = append(dst, at...)
	dst = appendKnown(dst, `,"id":`, h.ID)
	dst = appendNetNS(dst, h.NetNS, h.NetNSName)
	dst = appendProto(dst, `,"proto":`, h.Proto)
	dst = appendKnown(dst, `,"port":`, uint64(h.Port))
	dst = appendPeers(dst, h.Src, h.Dst)
	dst = appendPath(dst, `,"path":`, h.Path)
	dst = appendWall(dst, `,"assigned":`, h.Assigned)
	if r.Type == lifetime.Assign {
		dst = appendCount(dst, `,"search_ns":`, int64(h.Search))
	}
	return appendOwner(dst, &h.Owner, known)
}

func appendNetNS(dst []byte, inode uint32, name lifetime.Interned[string]) []byte {
	dst = appendKnown(dst, `,"netns":`, uint64(inode))
	return appendIfKnown(dst, `,"netns_name":`, name.Value())
}

func appendPeers(dst []byte, src netip.Addr, to netip.AddrPort) []byte {
	dst = appendAddr(dst, `,"src":`, src)
	dst = appendAddr(dst, `,"dst":`, to.Addr())
	return appendKnown(dst, `,"dst_port":`, uint64(to.Port()))
}

func appendOwner(dst []byte, o *lifetime.Owner, known *tails) []byte {
	if o.PID == 0 {
		return append(dst, `,"pid":null,"tid":null,"comm":null,"uid":null,"cgroup":null,"container":null`...)
	}
	dst = appendUint(dst, `,"pid":`, uint64(o.PID))
	dst = appendKnown(dst, `,"tid":`, uint64(o.TID))
	dst = appendText(dst, `,"comm":`, o.Comm)
	dst = appendUint(dst, `,"uid":`, uint64(o.UID)) // 0 is root
	return known.append(dst, o)
}

// appendPlace writes the fields that came with later versions only where they are known:
// most owners are in no pod.
func appendPlace(dst []byte, p lifetime.Place) []byte {
	dst = appendText(dst, `,"cgroup":`, p.Cgroup)
	dst = appendText(dst, `,"container":`, p.Container)
	dst = appendIfKnown(dst, `,"unit":`, p.Unit)
	dst = appendIfKnown(dst, `,"user_unit":`, p.UserUnit)
	dst = appendIfKnown(dst, `,"runtime":`, p.Runtime)
	dst = appendIfKnown(dst, `,"container_name":`, p.ContainerName)
	dst = appendIfKnown(dst, `,"pod":`, p.Pod)
	dst = appendIfKnown(dst, `,"pod_namespace":`, p.PodNamespace)
	dst = appendIfKnown(dst, `,"pod_uid":`, p.PodUID)
	return appendIfKnown(dst, `,"qos":`, p.QoS)
}

// appendStates writes held_ns and states: those with any time, and the present one.
func appendStates(dst []byte, h *lifetime.Hold) []byte {
	dst = appendInt(dst, `,"held_ns":`, int64(h.HeldFor()))
	dst = append(dst, `,"states":{`...)
	first := true
	for i, d := range h.States {
		s := event.State(i)
		if d == 0 && s != h.State {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, '"')
		dst = append(dst, s.String()...)
		dst = appendInt(dst, `":`, int64(d))
	}
	return append(dst, '}')
}

func appendStart(dst []byte, s *lifetime.StartInfo) []byte {
	dst = appendInt(dst, `,"schema":`, int64(s.Schema))
	if s.Part != 0 {
		dst = appendInt(dst, `,"part":`, int64(s.Part))
	}
	if s.Uptime != 0 {
		dst = appendUint(dst, `,"uptime_ns":`, uint64(s.Uptime))
	}
	dst = appendText(dst, `,"version":`, s.Version)
	dst = appendText(dst, `,"host":`, s.Host)
	dst = appendText(dst, `,"boot_id":`, s.BootID)
	dst = appendText(dst, `,"kernel":`, s.Kernel)
	dst = appendText(dst, `,"hooks":`, s.Hooks)
	// No flags, and nothing reserved, are known facts: "" is not null here.
	dst = appendString(dst, `,"filter":`, s.Filter)
	dst = append(dst, `,"pools":[`...)
	for i := range s.Pools {
		p := &s.Pools[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendKnown(dst, `{"netns":`, uint64(p.NetNS))
		dst = appendRange(dst, `,"range":[`, p.Lo, p.Hi)
		dst = appendString(dst, `,"reserved":`, p.Reserved)
		dst = appendInt(dst, `,"usable":`, int64(p.Usable))
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func appendRange(dst []byte, key string, lo, hi uint16) []byte {
	dst = appendUint(dst, key, uint64(lo))
	dst = append(dst, ',')
	dst = strconv.AppendUint(dst, uint64(hi), 10)
	return append(dst, ']')
}

func appendFailure(dst []byte, f *lifetime.FailureInfo, known *tails) []byte {
	dst = appendNetNS(dst, f.NetNS, f.NetNSName)
	dst = appendProto(dst, `,"proto":`, f.Proto)
	dst = appendPath(dst, `,"path":`, f.Path)
	if f.Port != 0 {
		dst = appendUint(dst, `,"port":`, uint64(f.Port))
	}
	dst = appendPeers(dst, f.Src, f.Dst)
	dst = appendOwner(dst, &f.Owner, known)
	dst = appendText(dst, `,"errno":`, f.Errno)
	dst = appendText(dst, `,"cause":`, string(f.Cause))
	if f.RangeLo != 0 || f.RangeHi != 0 {
		dst = appendRange(dst, `,"range":[`, f.RangeLo, f.RangeHi)
	}
	dst = appendCount(dst, `,"in_use":`, int64(f.InUse))
	return appendCount(dst, `,"usable":`, int64(f.Usable))
}

func appendPool(dst []byte, p *lifetime.PoolInfo) []byte {
	dst = appendKnown(dst, `,"netns":`, uint64(p.NetNS))
	dst = appendProto(dst, `,"proto":`, p.Proto)
	dst = appendPeers(dst, p.Src, p.Dst)
	dst = appendInt(dst, `,"in_use":`, int64(p.InUse))
	dst = appendInt(dst, `,"usable":`, int64(p.Usable))
	dst = appendInt(dst, `,"time_wait":`, int64(p.TimeWait))
	dst = appendFloat(dst, `,"assign_rate":`, p.AssignRate)
	dst = appendCount(dst, `,"mean_held_ns":`, int64(p.MeanHeld))
	return appendCount(dst, `,"exhausts_in_ns":`, int64(p.Exhausts))
}

func appendLost(dst []byte, l *lifetime.LostInfo) []byte {
	dst = appendUint(dst, `,"events":`, l.Events)
	dst = appendText(dst, `,"where":`, l.Where)
	return appendCount(dst, `,"reconciled":`, l.Reconciled)
}

// appendClock writes by how much the clock was set, and what it was before.
func appendClock(dst []byte, r *lifetime.Record) []byte {
	dst = appendWall(dst, `,"from":`, r.Clock.From)
	return appendInt(dst, `,"offset_ns":`, int64(r.Time.Sub(r.Clock.From)))
}

func appendShed(dst []byte, s *lifetime.ShedInfo) []byte {
	dst = append(dst, `,"what":[`...)
	for i, what := range s.What {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, "", what)
	}
	dst = append(dst, ']')
	dst = appendInt(dst, `,"limit_percent":`, int64(s.Limit))
	dst = appendFloat(dst, `,"used_percent":`, s.Used)
	return appendInt(dst, `,"for_ns":`, int64(s.For))
}

func appendEnd(dst []byte, e *lifetime.EndInfo) []byte {
	dst = appendUint(dst, `,"before_start":`, e.BeforeStart)
	dst = appendUint(dst, `,"assigned":`, e.Assigned)
	dst = appendUint(dst, `,"released":`, e.Released)
	dst = appendUint(dst, `,"held":`, e.Held)
	dst = appendUint(dst, `,"failures":`, e.Failures)
	dst = appendUint(dst, `,"lost":`, e.Lost)
	dst = appendUint(dst, `,"reconciled":`, e.Reconciled)
	dst = appendUint(dst, `,"discrepancies":`, e.Discrepancies)
	dst = append(dst, `,"complete":`...)
	return strconv.AppendBool(dst, e.Complete)
}
