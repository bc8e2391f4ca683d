package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// suite is a part of Debian's archives that has kernels.
type suite struct {
	name     string
	security bool // in the archive of security updates
}

// suites have, together, the newest build of every kernel that Debian still builds.
// Their keyring is that of package debian-archive-keyring.
var suites = []suite{
	{"bullseye-security", true},
	{"bookworm-security", true},
	{"trixie-backports", false},
}

// newest stands for the highest version there is.
const newest = "newest"

// cell is what the matrix runs unless told otherwise.
type cell struct{ kernel, arch string }

var matrix = []cell{
	{"5.10", "amd64"}, {"6.1", "amd64"}, {"6.12", "amd64"}, {"6.18", "amd64"}, {newest, "amd64"},
	{"6.12", "arm64"}, {newest, "arm64"},
}

// packaged is one package of the index.
type packaged struct {
	name, version, arch string
	depends             []string // names only
}

// upstream is the kernel's own version: 6.1.192 of linux-image-6.1.0-56, 6.1.192-2.
func (p packaged) upstream() string {
	v, _, _ := strings.Cut(p.version, "-")
	return v
}

// choose returns the newest build of a kernel. Cloud kernels are the smallest that have
// all that the tests need built in.
func choose(index []packaged, kernel, arch string) (packaged, error) {
	pattern := `[0-9].*`
	if kernel != newest {
		pattern = regexp.QuoteMeta(kernel) + `[.+-].*`
	}
	is := regexp.MustCompile(`^linux-image-` + pattern + `-cloud-` + arch + `$`)
	var best packaged
	for _, p := range index {
		if p.arch == arch && is.MatchString(p.name) && compareVersions(p.name, best.name) > 0 {
			best = p
		}
	}
	if best.name == "" {
		return best, fmt.Errorf("no kernel %s for %s in Debian's %s: make test-vm KERNEL=… takes a version such as 6.12, or %s",
			kernel, arch, suiteNames(), newest)
	}
	return best, nil
}

// pieces returns the packages that a kernel's files are in: its own or, where that is
// an empty one (7.x), those with the image and the modules.
func pieces(index []packaged, image packaged) []packaged {
	var found []packaged
	for _, p := range index {
		split := strings.HasPrefix(p.name, "linux-binary-") || strings.HasPrefix(p.name, "linux-modules-")
		if split && p.version == image.version && slices.Contains(image.depends, p.name) {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return []packaged{image}
	}
	return found
}

var number = regexp.MustCompile(`[0-9]+`)

// compareVersions compares the numbers in two names, from the left.
func compareVersions(a, b string) int {
	return slices.CompareFunc(number.FindAllString(a, -1), number.FindAllString(b, -1), func(x, y string) int {
		m, _ := strconv.Atoi(x)
		n, _ := strconv.Atoi(y)
		return cmp.Compare(m, n)
	})
}

func suiteNames() string {
	var names []string
	for _, s := range suites {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

// parseIndex reads what apt-cache dumpavail prints.
func parseIndex(text string) []packaged {
	var index []packaged
	for stanza := range strings.SplitSeq(text, "\n\n") {
		var p packaged
		for line := range strings.SplitSeq(stanza, "\n") {
			key, value, _ := strings.Cut(line, ": ")
			switch key {
			case "Package":
				p.name = value
			case "Version":
				p.version = value
			case "Architecture":
				p.arch = value
			case "Depends":
				for d := range strings.SplitSeq(value, ", ") {
					name, _, _ := strings.Cut(d, " ")
					p.depends = append(p.depends, name)
				}
			}
		}
		if strings.HasPrefix(p.name, "linux-") {
			index = append(index, p)
		}
	}
	return index
}
