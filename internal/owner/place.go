package owner

import (
	"strings"

	"porttrace/internal/lifetime"
)

// The container runtimes that are told apart.
const (
	docker     = "docker"
	podman     = "podman"
	containerd = "containerd"
	crio       = "cri-o"
	lxc        = "lxc"
	nspawn     = "systemd-nspawn"
)

// runtimes are those that put a container's id of 64 digits into a cgroup's name, by what
// stands before it: docker-<id>.scope. "" is what says nothing, as <id> alone.
var runtimes = map[string]string{
	"docker":         docker,
	"libpod":         podman,
	"libpod-payload": podman, // inside the unit that runs podman (--cgroups=split)
	"cri-containerd": containerd,
	"nerdctl":        containerd,
	"crio":           crio,
}

// parents are cgroups that only one runtime puts bare ids under.
var parents = map[string]string{"docker": docker, "libpod_parent": podman, "default": containerd, "k8s.io": containerd}

// placeOf says what a cgroup's path tells to those who know how systemd, container runtimes
// and the kubelet name cgroups. Who may make cgroups may give them any name: what
// the names claim is taken as it is, if it is of the right form.
//
// Of containers in containers it is the innermost, of units the outermost: the one that the
// host's manager runs. The scope that is made for a container is not told as its unit.
func placeOf(path string) lifetime.Place {
	p := parser{Place: lifetime.Place{Cgroup: path}}
	names := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, name := range names {
		// A service may keep containers of its own below it.
		if !p.pod(name) && !p.container(name) && !p.named(names[:i], name) {
			p.unit(name)
		}
		p.above = name
	}
	return p.Place
}

// parser goes down a path.
type parser struct {
	lifetime.Place
	above   string // the cgroup that the present one is in
	manager bool   // below the manager of a user
	pods    bool   // below kubepods
}

// container takes a cgroup that is named after a container's id. That of the process which
// watches over a container has the same id, and is none.
func (p *parser) container(name string) bool {
	before, id, ok := splitID(name)
	if !ok || strings.HasSuffix(before, "-conmon") {
		return false
	}
	// a systemd path given to a cgroupfs driver: slice:runtime:id
	if slice, runtime, ok := strings.Cut(before, ":"); ok {
		p.pod(slice)
		before = runtime
	}
	p.Container, p.ContainerName = id, ""
	p.Runtime = runtimes[before]
	if before == "" {
		p.Runtime = parents[p.above]
	}
	return true
}

// splitID cuts "docker-<id>.scope" into "docker" and the id.
func splitID(name string) (before, id string, ok bool) {
	name = strings.TrimSuffix(name, ".scope")
	at := len(name) - idLength
	if at < 0 || !isHex(name[at:]) || at > 0 && name[at-1] != '-' && name[at-1] != ':' {
		return "", "", false
	}
	return name[:max(0, at-1)], name[at:], true
}

// idLength is how many hexadecimal digits the ids of containers have.
const idLength = 64

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// named takes the cgroups of containers that go by a name instead of an id.
func (p *parser) named(above []string, name string) bool {
	switch {
	case name == "supervisor" && isMachine(p.above): // systemd-nspawn itself
		p.Runtime, p.Container, p.ContainerName = "", "", ""
		p.unit(p.above)
	case strings.HasPrefix(name, "lxc.payload."):
		return p.name(lxc, name[len("lxc.payload."):])
	case p.above == "lxc.payload", p.above == "lxc" && len(above) == 1:
		return p.name(lxc, name)
	case strings.HasPrefix(name, "machine-") && strings.HasSuffix(name, ".scope"):
		return p.machine(unescape(name[len("machine-") : len(name)-len(".scope")]))
	case strings.HasPrefix(name, "systemd-nspawn@") && strings.HasSuffix(name, ".service"):
		p.unit(name)
		return p.machine(unescape(name[len("systemd-nspawn@") : len(name)-len(".service")]))
	case len(above) == 1 && p.above == "default" && !strings.Contains(name, "."):
		// a name that was given to ctr, or by a program that uses containerd
		return p.name(containerd, name)
	}
	return false
}

// isMachine knows the cgroups that systemd-nspawn divides in two, itself and the container.
func isMachine(name string) bool {
	return strings.HasPrefix(name, "machine-") && strings.HasSuffix(name, ".scope") ||
		strings.HasPrefix(name, "systemd-nspawn@") && strings.HasSuffix(name, ".service")
}

// machine takes what systemd-machined calls a machine: a container, but for the virtual
// machines of libvirt, whose ports are those of the program that runs them.
func (p *parser) machine(name string) bool {
	if strings.HasPrefix(name, "qemu-") {
		return false
	}
	if n, ok := strings.CutPrefix(name, "lxc-"); ok { // libvirt's, lxc-<pid>-<name>
		_, name, _ = strings.Cut(n, "-")
		return p.name(lxc, name)
	}
	return p.name(nspawn, name)
}

func (p *parser) name(runtime, name string) bool {
	if name == "" || len(name) > longestName {
		return false
	}
	p.Runtime, p.Container, p.ContainerName = runtime, name, name
	return true
}

// longestName is NAME_MAX.
const longestName = 255

// unit takes a systemd unit that has processes. Slices have none.
func (p *parser) unit(name string) {
	name = strings.TrimPrefix(name, "_") // cg_escape(), of names that the kernel might want
	switch {
	case !isUnit(name):
	case p.Unit == "":
		p.Unit = name
		p.manager = strings.HasPrefix(name, "user@") && strings.HasSuffix(name, ".service")
	case p.manager && p.UserUnit == "":
		p.UserUnit = name
	}
}

// isUnit holds names to systemd's own rules (unit_name_is_valid).
func isUnit(name string) bool {
	at := strings.LastIndexByte(name, '.')
	if at <= 0 || len(name) > longestName {
		return false
	}
	switch name[at:] {
	case ".service", ".scope", ".socket", ".mount", ".swap":
	default:
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool {
		return r > 'z' || !isAlphanumeric(byte(r)) && !strings.ContainsRune(`:-_.\@`, r)
	}) < 0
}

func isAlphanumeric(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}

// unescape undoes systemd's \x2d, in names that are not units but made into ones. A unit's
// name stays as it is: systemctl takes no other.
func unescape(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var out []byte
	for i := 0; i < len(s); i++ {
		if hex := s[i:min(i+4, len(s))]; len(hex) == 4 && hex[:2] == `\x` && isHex(hex[2:]) {
			out = append(out, digit(hex[2])<<4|digit(hex[3]))
			i += 3
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func digit(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return b - 'a' + 10
}
