package netns

import (
	"os"
	"path/filepath"
	"time"

	"porttrace/internal/ktime"
)

// named are the folders whose files give namespaces names that people know: those of `ip
// netns` and of CNI first, then docker's, which are the ids of its sandboxes.
var named = []string{"/run/netns", "/run/docker/netns"}

// dockerDefault is docker's name for the namespace of the host, to which it means nothing.
const dockerDefault = "/run/docker/netns/default"

const (
	mostNames = 1 << 12 // files looked at, and namespaces remembered
	oneLook   = 100     // a look at all takes no more than such a part of the time
	soon      = 10 * time.Millisecond
	later     = 30 * time.Second
	sure      = time.Second // how long a name is believed: the kernel gives numbers anew
)

// Names finds the names of namespaces by their inodes. It is not safe for concurrent use.
// What it finds may be a second old.
type Names struct {
	known map[uint32]name
	files map[uint32]string // by inode, as of the last look at all
	next  ktime.Time        // for another
	dirs  []string          // instead of named, in tests
}

type name struct {
	path  string // "" none
	check ktime.Time
	wait  time.Duration // of one without a name, before it is looked for again
}

// Name returns a namespace's name, "" if it has none. now is the time of what is told of it,
// which may lag a little: to ask the clock would be most of what this costs.
func (n *Names) Name(inode uint32, now ktime.Time) string {
	known, ok := n.known[inode]
	if !ok || now >= known.check {
		known = n.find(inode, known, now)
		if n.known == nil || len(n.known) >= mostNames {
			n.known = map[uint32]name{}
		}
		n.known[inode] = known
	}
	if known.path == "" {
		return ""
	}
	return filepath.Base(known.path)
}

func (n *Names) find(inode uint32, was name, now ktime.Time) name {
	if was.path != "" && isNamespace(was.path, inode) {
		return name{path: was.path, check: now.Add(sure)}
	}
	if now >= n.next {
		began := time.Now()
		n.look()
		n.next = now.Add(max(oneLook*time.Since(began), soon))
	}
	if path := n.files[inode]; path != "" && isNamespace(path, inode) {
		return name{path: path, check: now.Add(sure)}
	}
	// A namespace may get its name after its first socket; most never do.
	wait := min(max(2*was.wait, soon), later)
	return name{wait: wait, check: now.Add(wait)}
}

// look finds all names there are.
func (n *Names) look() {
	n.files = map[uint32]string{}
	_, nsfs, err := at("/proc/self/ns/net")
	if err != nil {
		return
	}
	dirs := n.dirs
	if dirs == nil {
		dirs = named
	}
	for _, dir := range dirs {
		f, err := os.Open(dir)
		if err != nil {
			continue
		}
		files, _ := f.Readdirnames(mostNames)
		f.Close()
		for _, file := range files {
			path := filepath.Join(dir, file)
			ns, dev, err := at(path)
			if err != nil || dev != nsfs || path == dockerDefault {
				continue
			}
			// Of several names, the first by the alphabet, whatever order they are listed in.
			if other, ok := n.files[ns.Inode]; !ok || filepath.Dir(other) == dir && path < other {
				n.files[ns.Inode] = path
			}
		}
	}
}

func isNamespace(path string, inode uint32) bool {
	ns, dev, err := at(path)
	_, nsfs, errSelf := at("/proc/self/ns/net")
	return err == nil && errSelf == nil && dev == nsfs && ns.Inode == inode
}
