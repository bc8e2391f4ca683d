package probe

import "github.com/cilium/ebpf/link"

// Links returns the kernel's ids of the hooks' links.
func (p *Probe) Links() ([]link.ID, error) {
	var ids []link.ID
	for _, l := range p.links {
		info, err := l.Info()
		if err != nil {
			return nil, err
		}
		ids = append(ids, info.ID)
	}
	return ids, nil
}

// Nested returns how many events the kernel skipped at hooks that have a second instance,
// and how many of them that one took over.
func (p *Probe) Nested() (skipped, rescued uint64, err error) {
	now, err := p.counts()
	return now.missed.twins - p.before.missed.twins, now.rescued - p.before.rescued, err
}

// StartTaskWatch loads and begins a watch without a probe.
func StartTaskWatch() (*TaskWatch, error) {
	w, err := loadTaskWatch()
	if err != nil {
		return nil, err
	}
	return w, w.begin()
}

// KnowsByCookie says whether sockets are known by their cookies, which mini-sockets inherit.
func (p *Probe) KnowsByCookie() (bool, error) {
	if p.set == Stable {
		return true, nil
	}
	return hasCookies()
}
