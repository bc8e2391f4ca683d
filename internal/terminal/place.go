package terminal

import (
	"math"

	"porttrace/internal/lifetime"
)

// Place returns where a process runs in words, escaped: "pod prod/web-0", "container web",
// "unit nginx.service" or "cgroup /build"; "" if nothing is known.
func Place(p *lifetime.Place) string {
	if kind, _ := p.Telling(); kind == "cgroup" {
		return "cgroup " + EscapeText(p.Cgroup)
	}
	return string(appendPlace(nil, p))
}

// appendPlace writes the pod, container or unit, whichever says most.
func appendPlace(b []byte, p *lifetime.Place) []byte {
	kind, name := p.Telling()
	if kind == "" || kind == "cgroup" {
		return b
	}
	b = append(append(b, kind...), ' ')
	if kind == "pod" {
		b, _ = appendPod(b, p, math.MaxInt)
	} else {
		b, _ = appendContainer(b, name, math.MaxInt)
	}
	return b
}
