package owner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"porttrace/internal/lifetime"
)

// names finds what people call a container or a pod, in files that the kubelet, docker and
// podman leave: to ask them would take a socket of each. Those of a user's own podman or
// docker are not looked for.
type names struct {
	root   string // where the host's files are; "" is here, and else of tests
	pods   folder
	links  folder
	podman [4]podmanStore
}

// complete adds the names to a place, and tells whether all that it may have are known.
func (n *names) complete(p *lifetime.Place) bool {
	if p.PodUID != "" {
		n.findPod(p)
		return p.Pod != "" && (p.Container == "" || p.ContainerName != "")
	}
	if p.Container == "" || p.ContainerName != "" {
		return true
	}
	switch p.Runtime {
	case docker:
		n.findDocker(p)
	case podman:
		n.findPodman(p)
	case "":
		// Under a parent of one's choice either has bare ids.
		if n.findDocker(p); p.ContainerName == "" {
			n.findPodman(p)
		}
	default:
		return true // it leaves no names
	}
	return p.ContainerName != ""
}

// The folders of the kubelet: pods/<namespace>_<pod>_<uid>/<container>/, made before the
// container starts, and containers/<pod>_<namespace>_<container>-<id>.log, a link to a file
// in there, made right after that (BuildContainerLogsDirectory, legacyLogSymlink).
const (
	podLogs       = "/var/log/pods"
	containerLogs = "/var/log/containers"
)

func (n *names) findPod(p *lifetime.Place) {
	folder := ""
	for _, name := range n.pods.read(n.root + podLogs) {
		if namespace, pod, ok := splitPod(name, p.PodUID); ok {
			p.PodNamespace, p.Pod, folder = namespace, pod, name
			break
		}
	}
	if folder == "" || p.Container == "" {
		return
	}
	for _, name := range n.links.read(n.root + containerLogs) {
		if !strings.HasSuffix(name, "-"+p.Container+".log") {
			continue
		}
		// A long name of a link is cut, but not what it leads to.
		target, err := os.Readlink(n.root + containerLogs + "/" + name)
		if dir := filepath.Dir(target); err == nil && filepath.Base(filepath.Dir(dir)) == folder {
			p.ContainerName = bounded(filepath.Base(dir))
			return
		}
	}
	// Before there is a link, and where there never is: a pod of one container.
	if inside, err := os.ReadDir(n.root + podLogs + "/" + folder); err == nil && len(inside) == 1 && inside[0].IsDir() {
		p.ContainerName = bounded(inside[0].Name())
	}
}

// splitPod cuts a folder of a pod's logs. Names in Kubernetes have no underscore.
func splitPod(name, uid string) (namespace, pod string, ok bool) {
	name, ok = strings.CutSuffix(name, "_"+uid)
	if !ok {
		return "", "", false
	}
	namespace, pod, ok = strings.Cut(name, "_")
	return namespace, pod, ok && namespace != "" && pod != ""
}

// findDocker reads docker's own description of the container.
func (n *names) findDocker(p *lifetime.Place) {
	if len(p.Container) != idLength {
		return
	}
	text, err := readFile(n.root+"/var/lib/docker/containers/"+p.Container+"/config.v2.json", longestFile)
	if err != nil {
		return
	}
	var config struct{ Name string }
	if json.Unmarshal(text, &config) == nil {
		p.Runtime = docker
		p.ContainerName = bounded(strings.TrimPrefix(config.Name, "/"))
	}
}

// podmanFiles are where podman (containers/storage) lists containers: those that stay, and
// those of --rm or of a store that does not outlive the boot.
var podmanFiles = [...]string{
	"/var/lib/containers/storage/overlay-containers/containers.json",
	"/var/lib/containers/storage/overlay-containers/volatile-containers.json",
	"/run/containers/storage/overlay-containers/containers.json",
	"/run/containers/storage/overlay-containers/volatile-containers.json",
}

type podmanStore struct {
	stamp stamp
	names map[string]string // by id
}

func (n *names) findPodman(p *lifetime.Place) {
	for i, path := range podmanFiles {
		if name := n.podman[i].read(n.root + path)[p.Container]; name != "" {
			p.Runtime, p.ContainerName = podman, name
			return
		}
	}
}

func (s *podmanStore) read(path string) map[string]string {
	if !s.stamp.isNews(path) {
		return s.names
	}
	s.names = map[string]string{}
	var list []struct {
		ID    string
		Names []string
	}
	if text, err := readFile(path, longestFile); err != nil || json.Unmarshal(text, &list) != nil {
		return s.names
	}
	for _, c := range list[:min(len(list), mostNames)] {
		if len(c.Names) > 0 {
			s.names[c.ID] = bounded(c.Names[0])
		}
	}
	return s.names
}

// bounded cuts a name that nobody would give in earnest.
func bounded(s string) string { return s[:min(len(s), longestName)] }
