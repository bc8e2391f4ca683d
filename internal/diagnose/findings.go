package diagnose

import (
	"cmp"
	"slices"

	"porttrace/internal/pool"
)

// Findings returns what the records so far prove, symptoms first, then by severity and
// by how much of the ports in use they account for.
func (e *Engine) Findings() []Finding {
	if len(e.found) == 0 {
		return nil
	}
	all := make([]*scored, 0, len(e.found))
	for m, s := range e.found {
		if m.id != Exhausting || e.found[mark{id: Exhausted, pool: m.pool}] == nil && e.found[mark{id: UDPExhausted, pool: m.pool}] == nil {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, compare)
	findings := make([]Finding, len(all))
	for i, s := range all {
		findings[i] = s.Finding
		if isSymptom(s.ID) {
			findings[i].Because = because(s, all)
		}
	}
	return findings
}

// Fresh returns the findings that are new, or more severe, since the last call.
func (e *Engine) Fresh() []Finding {
	if len(e.fresh) == 0 {
		return nil
	}
	var all, fresh []*scored
	for _, s := range e.found {
		all = append(all, s)
	}
	slices.SortFunc(all, compare)
	for _, s := range all {
		if slices.ContainsFunc(e.fresh, func(m mark) bool { return e.found[m] == s }) {
			fresh = append(fresh, s)
		}
	}
	e.fresh = nil
	var findings []Finding
	for _, s := range fresh {
		f := s.Finding
		if isSymptom(f.ID) {
			f.Because = because(s, all)
		}
		findings = append(findings, f)
	}
	return findings
}

func isSymptom(id ID) bool { return id == Exhausted || id == Exhausting || id == UDPExhausted }

func compare(a, b *scored) int {
	return cmp.Or(
		-compareBool(isSymptom(a.ID), isSymptom(b.ID)),
		-cmp.Compare(a.Severity, b.Severity),
		-cmp.Compare(a.weight, b.weight),
		cmp.Compare(a.ID, b.ID),
		cmp.Compare(a.Title, b.Title),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// because returns what explains a symptom: what concerns its pool, or a pool whose ports
// it cannot have either, or all pools of its namespace. all is sorted.
func because(symptom *scored, all []*scored) []ID {
	var ids []ID
	for _, s := range all {
		if isSymptom(s.ID) || s.netns != symptom.netns || s.proto != symptom.proto || slices.Contains(ids, s.ID) {
			continue
		}
		switch s.ID {
		case Poisoned, RangeCut:
		case TupleClash, AddressNotLocal, SocketRange, FixedPortLost:
			continue
		default:
			if *s.Pool != *symptom.Pool && (symptom.Pool.Dst.IsValid() || !pool.Conflicts(s.Pool.Src, symptom.Pool.Src)) {
				continue
			}
		}
		ids = append(ids, s.ID)
	}
	return ids
}
