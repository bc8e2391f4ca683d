package owner

import (
	"strings"
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

var id = strings.Repeat("0123456789abcdef", 4)

func TestContainer(t *testing.T) {
	pod := "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0f6f2c7e_54b2_4a11_9f7a_3e1a7d8b9c00.slice/"
	for name, tc := range map[string]struct{ cgroup, want string }{
		"docker, cgroupfs":              {"/docker/" + id, id},
		"docker, systemd":               {"/system.slice/docker-" + id + ".scope", id},
		"docker, a cgroup inside":       {"/system.slice/docker-" + id + ".scope/init.scope", id},
		"docker in docker":              {"/docker/" + strings.Repeat("f", 64) + "/docker/" + id, id},
		"podman, systemd":               {"/machine.slice/libpod-" + id + ".scope/container", id},
		"podman, cgroupfs":              {"/libpod_parent/libpod-" + id, id},
		"podman, rootless":              {"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id + ".scope", id},
		"nerdctl":                       {"/system.slice/nerdctl-" + id + ".scope", id},
		"kubernetes, containerd":        {pod + "cri-containerd-" + id + ".scope", id},
		"kubernetes, cri-o":             {pod + "crio-" + id + ".scope", id},
		"kubernetes, docker":            {pod + "docker-" + id + ".scope", id},
		"kubernetes, cgroupfs":          {"/kubepods/besteffort/pod0f6f2c7e-54b2-4a11-9f7a-3e1a7d8b9c00/" + id, id},
		"kubernetes, path with colons":  {"/system.slice/containerd.service/kubepods-burstable-pod0f6f.slice:cri-containerd:" + id, id},
		"the pod itself":                {strings.TrimSuffix(pod, "/"), ""},
		"root":                          {"/", ""},
		"unknown":                       {"", ""},
		"a service":                     {"/system.slice/nginx.service", ""},
		"a session":                     {"/user.slice/user-0.slice/session-3.scope", ""},
		"63 digits":                     {"/docker/" + id[1:], ""},
		"65 digits":                     {"/docker/" + id + "0", ""},
		"capitals":                      {"/docker/" + strings.ToUpper(id), ""},
		"not hexadecimal":               {"/docker/" + strings.Repeat("g", 64), ""},
		"outside of the hierarchy seen": {"/../docker/" + id, id},
	} {
		if got := container(tc.cgroup); got != tc.want {
			t.Errorf("%s: %s: got %q, want %q", name, tc.cgroup, got, tc.want)
		}
	}
}

func FuzzContainer(f *testing.F) {
	f.Add("/docker/" + id)
	f.Add("//..//-.scope")
	f.Add("relative/-" + id + ".scope/x")
	f.Fuzz(func(t *testing.T, cgroup string) {
		got := container(cgroup)
		if got != "" && (len(got) != 64 || !strings.Contains(cgroup, got)) {
			t.Errorf("%q has no container %q", cgroup, got)
		}
	})
}

// without asks no cgroup hierarchy.
func without() *Resolver {
	return &Resolver{known: map[uint64]lifetime.Interned[lifetime.Place]{}, comms: map[event.Comm]string{}}
}

func TestDescribe(t *testing.T) {
	r := without()
	defer r.Close()
	r.known[77] = lifetime.Intern(lifetime.Place{Cgroup: "/docker/" + id, Container: id})
	comm := event.Comm{'n', 'c'}
	got := r.Describe(event.Owner{PID: 1, TID: 2, UID: 3, Cgroup: 77, Comm: comm})
	want := lifetime.Owner{PID: 1, TID: 2, UID: 3, Comm: "nc", Place: r.known[77]}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := r.Describe(event.Owner{UID: 3, Cgroup: 77, Comm: comm}); got != (lifetime.Owner{}) {
		t.Errorf("without a process: got %+v, want nothing known", got)
	}
	if got := r.Describe(event.Owner{PID: 1, Cgroup: 78}); got.Place.Value() != (lifetime.Place{}) {
		t.Errorf("unknown cgroup: got %+v", got)
	}
}

func TestCachesAreBounded(t *testing.T) {
	r := without()
	for i := range uint32(3*cacheLimit + 7) {
		comm := event.Comm{byte(i), byte(i >> 8), byte(i >> 16), 1}
		got := r.Describe(event.Owner{PID: 1, Cgroup: uint64(i), Comm: comm})
		if got.Comm != comm.String() {
			t.Fatalf("comm %d: got %q", i, got.Comm)
		}
		if len(r.known) > cacheLimit || len(r.comms) > cacheLimit {
			t.Fatalf("after %d owners the caches hold %d and %d", i+1, len(r.known), len(r.comms))
		}
	}
}

func TestNewResolverWorksAnywhere(t *testing.T) {
	r := NewResolver()
	if got := r.Describe(event.Owner{PID: 1, Cgroup: 1<<64 - 1}); got.PID != 1 || got.Place.Value().Cgroup != "" {
		t.Errorf("got %+v", got)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
