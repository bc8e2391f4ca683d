package owner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"porttrace/internal/lifetime"
)

// complete returns what a host's files add to a path.
func complete(t *testing.T, n *names, path string) lifetime.Place {
	t.Helper()
	p := placeOf(path)
	known := n.complete(&p)
	again := placeOf(path)
	if n.complete(&again) != known || again != p {
		t.Errorf("%s: first %+v, then %+v", path, p, again)
	}
	if known != (p.Container == "" || p.ContainerName != "") && p.PodUID == "" && p.Runtime != containerd {
		t.Errorf("%s is known: %t: %+v", path, known, p)
	}
	return p
}

func TestPodNames(t *testing.T) {
	root := t.TempDir()
	n := &names{root: root}
	path := podSlice + "cri-containerd-" + id + ".scope"
	if p := complete(t, n, path); p.Pod != "" || p.ContainerName != "" {
		t.Errorf("without the kubelet: %+v", p)
	}
	write(t, root, "/var/log/pods/prod_other_11112222-54b2-4a11-9f7a-3e1a7d8b9c00/x/0.log", "")
	write(t, root, "/var/log/pods/prod_shop-1_"+uid+"/shop/0.log", "")
	if p := complete(t, n, path); p.Pod != "shop-1" || p.PodNamespace != "prod" || p.ContainerName != "shop" {
		t.Errorf("a pod of one container: %+v", p)
	}
	write(t, root, "/var/log/pods/prod_shop-1_"+uid+"/sidecar/0.log", "")
	if p := complete(t, n, path); p.Pod != "shop-1" || p.ContainerName != "" {
		t.Errorf("which of two is not known yet: %+v", p)
	}
	// The kubelet cuts long names of links.
	link := filepath.Join(root, "/var/log/containers/shop-1_prod_side-"+id+".log")
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/var/log/pods/prod_shop-1_"+uid+"/sidecar/0.log", link); err != nil {
		t.Fatal(err)
	}
	if p := complete(t, n, path); p.Pod != "shop-1" || p.ContainerName != "sidecar" || p.PodNamespace != "prod" {
		t.Errorf("with a link: %+v", p)
	}
}

func TestHostileLogFolders(t *testing.T) {
	root := t.TempDir()
	n := &names{root: root}
	write(t, root, "/var/log/pods/_"+uid+"/x/0.log", "")
	write(t, root, "/var/log/pods/_pod_"+uid+"/x/0.log", "")
	write(t, root, "/var/log/pods/ns__"+uid+"/x/0.log", "")
	write(t, root, "/var/log/containers/-"+id+".log", "no link")
	if p := complete(t, n, podSlice+"cri-containerd-"+id+".scope"); p.Pod != "" || p.PodNamespace != "" || p.ContainerName != "" {
		t.Errorf("got %+v", p)
	}
}

func TestDockerNames(t *testing.T) {
	root := t.TempDir()
	n := &names{root: root}
	config := "/var/lib/docker/containers/" + id + "/config.v2.json"
	for text, want := range map[string]string{
		`{"ID":"` + id + `","State":{"Running":true},"Name":"/web-1","Driver":"overlay2"}`: "web-1",
		`{"Name":7}`: "", `{`: "", ``: "",
		`{"Name":"/` + strings.Repeat("x", 1000) + `"}`: strings.Repeat("x", longestName)[1:] + "x",
	} {
		write(t, root, config, text)
		for _, path := range []string{"/docker/" + id, "/batch/" + id} {
			p := complete(t, n, path)
			if p.ContainerName != want || want != "" && p.Runtime != docker {
				t.Errorf("%s: got %+v, want %q", path, p, want)
			}
		}
	}
	pipe := filepath.Join(root, config)
	os.Remove(pipe)
	if err := os.Mkdir(pipe, 0o755); err != nil {
		t.Fatal(err)
	}
	if p := complete(t, n, "/docker/"+id); p.ContainerName != "" {
		t.Errorf("a folder names a container: %+v", p)
	}
}

func TestPodmanNames(t *testing.T) {
	root := t.TempDir()
	n := &names{root: root}
	path := "/machine.slice/libpod-" + id + ".scope/container"
	if p := complete(t, n, path); p.ContainerName != "" {
		t.Errorf("without podman: %+v", p)
	}
	write(t, root, podmanFiles[0], `[{"id":"`+outer+`","names":["old"]},{"id":"x","names":[]}]`)
	write(t, root, podmanFiles[1], `[{"id":"`+id+`","names":["web","other"],"layer":"l"}]`)
	if p := complete(t, n, path); p.ContainerName != "web" {
		t.Errorf("of --rm: %+v", p)
	}
	write(t, root, podmanFiles[1], `[{"id":"`+id+`","names":["new"]}]`) // right after, of the same size
	if p := complete(t, n, path); p.ContainerName != "new" {
		t.Errorf("renamed: %+v", p)
	}
	if p := complete(t, n, "/batch/"+outer); p.ContainerName != "old" || p.Runtime != podman {
		t.Errorf("under a parent of one's own: %+v", p)
	}
	write(t, root, podmanFiles[1], `[{`)
	if p := complete(t, n, path); p.ContainerName != "" {
		t.Errorf("from a torn file: %+v", p)
	}
}

// A name that comes after the first connection is found, and not looked for at each.
func TestNamesComeLater(t *testing.T) {
	root := t.TempDir()
	r := &Resolver{names: names{root: root}}
	path := "/system.slice/docker-" + id + ".scope"
	r.paths.put(cgroupID{id: 5}, path)
	o := self(t)
	o.Cgroup = 5
	if got := r.Describe(o).Place.Value(); got.ContainerName != "" || got.Container != id {
		t.Errorf("at first: %+v", got)
	}
	write(t, root, "/var/lib/docker/containers/"+id+"/config.v2.json", `{"Name":"/web"}`)
	deadline := time.Now().Add(time.Minute)
	for r.Describe(o).Place.Value().ContainerName != "web" {
		if time.Now().After(deadline) {
			t.Fatal("the name is not found")
		}
		time.Sleep(time.Millisecond)
	}
	o.TID = 0
	if k, ok := r.owners.get(o); !ok || k.pending {
		t.Errorf("it is still looked for: %+v", k)
	}
}

func TestUsers(t *testing.T) {
	root := t.TempDir()
	u := &users{root: root}
	if got := u.name(0).Value(); got != "" {
		t.Errorf("without a file: %q", got)
	}
	write(t, root, "/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n# no user\n+@nis:::\ntoor:x:0:0::/:\nbad\n:x:5:5:\nwww-data:x:33:33:www:/:/bin/false\nbig:x:99999999999:1:\nneg:x:-1:1:")
	for uid, want := range map[uint32]string{0: "root", 33: "www-data", 5: "", 1: "", 1<<32 - 1: ""} {
		if got := u.name(uid).Value(); got != want {
			t.Errorf("uid %d: got %q, want %q", uid, got, want)
		}
	}
	write(t, root, "/etc/passwd", "admin:x:0:0:root:/root:/bin/bash\n")
	if got := u.name(0).Value(); got != "admin" {
		t.Errorf("after a change: %q", got)
	}
}

func FuzzParsePasswd(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/bash\n")
	f.Add(":::\n+:x:1:")
	f.Fuzz(func(t *testing.T, text string) {
		for uid, name := range parsePasswd(text) {
			if name.Value() == "" || !strings.Contains(text, name.Value()) {
				t.Errorf("%q names %d %q", text, uid, name)
			}
		}
	})
}
