package flagvalue

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Pod is a Kubernetes pod as somebody names it.
type Pod struct {
	Namespace string // "": any
	Name      string // or, where there is no namespace, a uid
}

// String returns NAMESPACE/NAME, or the name alone.
func (p Pod) String() string {
	if p.Namespace == "" {
		return p.Name
	}
	return p.Namespace + "/" + p.Name
}

func (p Pod) compare(q Pod) int {
	return cmp.Or(strings.Compare(p.Namespace, q.Namespace), strings.Compare(p.Name, q.Name))
}

// Pods is a set of pods.
type Pods struct {
	list []Pod
}

// Set adds a comma list of pods by namespace and name, by name alone, which is one of any
// namespace, and by uid.
func (p *Pods) Set(list string) (err error) {
	p.list, err = parseList(p.list, list, parsePod, Pod.compare)
	return err
}

// String returns the pods, those without a namespace first.
func (p *Pods) String() string { return joinList(p.list, Pod.String) }

// Type names the value in help texts.
func (*Pods) Type() string { return "NS/NAME" }

// List returns the pods, those without a namespace first. The caller owns it.
func (p *Pods) List() []Pod { return slices.Clone(p.list) }

// The API server takes no longer names: those of RFC 1123.
const (
	namespaceMax = 63
	podNameMax   = 253
)

func parsePod(s string) (Pod, error) {
	p := Pod{Name: s}
	namespace, name, both := strings.Cut(s, "/")
	if both {
		p = Pod{namespace, name}
	}
	if both && !isDNSName(namespace, namespaceMax, "") || !isDNSName(p.Name, podNameMax, ".") {
		return Pod{}, fmt.Errorf("%q: want NAMESPACE/NAME as kubectl get pods -A has them, a name of any namespace, or a pod's uid", s)
	}
	return p, nil
}

// isDNSName says whether a text is of lower-case letters, digits, dashes and more, and
// neither begins nor ends in one that is no letter or digit.
func isDNSName(s string, most int, more string) bool {
	const alphanumeric = "abcdefghijklmnopqrstuvwxyz0123456789"
	if s == "" || len(s) > most || strings.Trim(s, alphanumeric+"-"+more) != "" {
		return false
	}
	return strings.IndexByte(alphanumeric, s[0]) >= 0 && strings.IndexByte(alphanumeric, s[len(s)-1]) >= 0
}
