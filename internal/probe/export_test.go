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
