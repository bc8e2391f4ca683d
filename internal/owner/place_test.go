package owner

import (
	"strings"
	"testing"

	"porttrace/internal/lifetime"
)

const (
	uid      = "0f6f2c7e-54b2-4a11-9f7a-3e1a7d8b9c00"
	podSlice = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0f6f2c7e_54b2_4a11_9f7a_3e1a7d8b9c00.slice/"
	static   = "8d9f1b2c3d4e5f60718293a4b5c6d7e8" // the uid of a pod from a file
)

var (
	id    = strings.Repeat("0123456789abcdef", 4)
	outer = strings.Repeat("f", idLength)
)

// Paths as the runtimes make them, on hosts with the systemd driver and with cgroupfs.
func TestPlaceOf(t *testing.T) {
	for name, tc := range map[string]struct {
		cgroup string
		want   lifetime.Place
	}{
		"root":         {"/", lifetime.Place{}},
		"unknown":      {"", lifetime.Place{}},
		"of no form":   {"/a/b.c/d", lifetime.Place{}},
		"kernel's own": {"/init.scope", lifetime.Place{Unit: "init.scope"}},

		"a service":             {"/system.slice/nginx.service", lifetime.Place{Unit: "nginx.service"}},
		"its own cgroups":       {"/system.slice/x.service/y.service/z", lifetime.Place{Unit: "x.service"}},
		"an instance":           {`/system.slice/system-postgresql.slice/postgresql@15-main.service`, lifetime.Place{Unit: "postgresql@15-main.service"}},
		"systemd escapes":       {`/system.slice/backup@srv-my\x2ddata.service`, lifetime.Place{Unit: `backup@srv-my\x2ddata.service`}},
		"cgroup escapes":        {"/system.slice/_cpu.service", lifetime.Place{Unit: "cpu.service"}},
		"a socket's helper":     {"/system.slice/x.socket", lifetime.Place{Unit: "x.socket"}},
		"no valid unit":         {"/system.slice/a b.service/.service/\x1b.service", lifetime.Place{}},
		"too long for a unit":   {"/system.slice/" + strings.Repeat("x", 250) + ".service", lifetime.Place{}},
		"a session":             {"/user.slice/user-0.slice/session-3.scope", lifetime.Place{Unit: "session-3.scope"}},
		"a user's service":      {"/user.slice/user-1000.slice/user@1000.service/app.slice/app-foo.service", lifetime.Place{Unit: "user@1000.service", UserUnit: "app-foo.service"}},
		"a desktop's program":   {`/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-org.gnome.Nautilus\x2d3213.scope`, lifetime.Place{Unit: "user@1000.service", UserUnit: `app-gnome-org.gnome.Nautilus\x2d3213.scope`}},
		"a user's manager":      {"/user.slice/user-1000.slice/user@1000.service/init.scope", lifetime.Place{Unit: "user@1000.service", UserUnit: "init.scope"}},
		"a snap":                {"/system.slice/snap.lxd.daemon.service", lifetime.Place{Unit: "snap.lxd.daemon.service"}},
		"docker, systemd":       {"/system.slice/docker-" + id + ".scope", lifetime.Place{Container: id, Runtime: docker}},
		"docker, cgroupfs":      {"/docker/" + id, lifetime.Place{Container: id, Runtime: docker}},
		"docker, other parent":  {"/batch/" + id, lifetime.Place{Container: id}},
		"docker, rootless":      {"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + id + ".scope", lifetime.Place{Unit: "user@1000.service", Container: id, Runtime: docker}},
		"docker, systemd in it": {"/system.slice/docker-" + id + ".scope/system.slice/nginx.service", lifetime.Place{Container: id, Runtime: docker, Unit: "nginx.service"}},
		"docker in docker":      {"/docker/" + outer + "/docker/" + id, lifetime.Place{Container: id, Runtime: docker}},
		"docker, colons":        {"/system.slice:docker:" + id, lifetime.Place{Container: id, Runtime: docker}},
		"ECS":                   {"/ecs/0123abcd/" + id, lifetime.Place{Container: id}},

		"podman, systemd":           {"/machine.slice/libpod-" + id + ".scope/container", lifetime.Place{Container: id, Runtime: podman}},
		"podman, cgroupfs":          {"/libpod_parent/libpod-" + id, lifetime.Place{Container: id, Runtime: podman}},
		"podman, a pod":             {"/machine.slice/machine-libpod_pod_" + outer + ".slice/libpod-" + id + ".scope", lifetime.Place{Container: id, Runtime: podman}},
		"podman, rootless":          {"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id + ".scope", lifetime.Place{Unit: "user@1000.service", Container: id, Runtime: podman}},
		"podman, a unit (quadlet)":  {"/system.slice/web.service/libpod-payload-" + id, lifetime.Place{Unit: "web.service", Container: id, Runtime: podman}},
		"podman, a user's unit":     {"/user.slice/user-1000.slice/user@1000.service/app.slice/web.service/libpod-payload-" + id, lifetime.Place{Unit: "user@1000.service", UserUnit: "web.service", Container: id, Runtime: podman}},
		"podman, conmon":            {"/machine.slice/libpod-conmon-" + id + ".scope", lifetime.Place{Unit: "libpod-conmon-" + id + ".scope"}},
		"podman, conmon, cgroupfs":  {"/libpod_parent/conmon", lifetime.Place{}},
		"nerdctl":                   {"/system.slice/nerdctl-" + id + ".scope", lifetime.Place{Container: id, Runtime: containerd}},
		"nerdctl, cgroupfs":         {"/default/" + id, lifetime.Place{Container: id, Runtime: containerd}},
		"ctr":                       {"/default/redis", lifetime.Place{Container: "redis", ContainerName: "redis", Runtime: containerd}},
		"cri-o without Kubernetes":  {"/machine.slice/crio-" + id + ".scope", lifetime.Place{Container: id, Runtime: crio}},
		"systemd-nspawn":            {`/machine.slice/machine-my\x2dweb.scope/payload/system.slice/nginx.service`, lifetime.Place{Container: "my-web", ContainerName: "my-web", Runtime: nspawn, Unit: "nginx.service"}},
		"systemd-nspawn, a service": {`/machine.slice/systemd-nspawn@web.service/payload`, lifetime.Place{Container: "web", ContainerName: "web", Runtime: nspawn, Unit: "systemd-nspawn@web.service"}},
		"systemd-nspawn itself":     {`/machine.slice/machine-web.scope/supervisor`, lifetime.Place{Unit: "machine-web.scope"}},
		"a virtual machine":         {`/machine.slice/machine-qemu\x2d1\x2dvm.scope/libvirt/emulator`, lifetime.Place{Unit: `machine-qemu\x2d1\x2dvm.scope`}},
		"libvirt's LXC":             {`/machine.slice/machine-lxc\x2d77\x2dmy\x2dweb.scope/libvirt`, lifetime.Place{Container: "my-web", ContainerName: "my-web", Runtime: lxc}},
		"LXC 4, LXD, Incus":         {"/lxc.payload.web-1", lifetime.Place{Container: "web-1", ContainerName: "web-1", Runtime: lxc}},
		"LXC, systemd in it":        {"/lxc.payload.web/system.slice/nginx.service", lifetime.Place{Container: "web", ContainerName: "web", Runtime: lxc, Unit: "nginx.service"}},
		"LXC 3":                     {"/lxc.payload/web", lifetime.Place{Container: "web", ContainerName: "web", Runtime: lxc}},
		"LXC 2, Proxmox":            {"/lxc/101/ns/system.slice/ssh.service", lifetime.Place{Container: "101", ContainerName: "101", Runtime: lxc, Unit: "ssh.service"}},
		"LXC's monitor":             {"/lxc.monitor.web", lifetime.Place{}},
		"LXC without a name":        {"/lxc.payload./lxc/", lifetime.Place{}},

		"kubernetes, containerd":      {podSlice + "cri-containerd-" + id + ".scope", lifetime.Place{Container: id, Runtime: containerd, PodUID: uid, QoS: burstable}},
		"kubernetes, cri-o":           {podSlice + "crio-" + id + ".scope/container", lifetime.Place{Container: id, Runtime: crio, PodUID: uid, QoS: burstable}},
		"kubernetes, cri-o's conmon":  {podSlice + "crio-conmon-" + id + ".scope", lifetime.Place{Unit: "crio-conmon-" + id + ".scope", PodUID: uid, QoS: burstable}},
		"kubernetes, docker":          {podSlice + "docker-" + id + ".scope", lifetime.Place{Container: id, Runtime: docker, PodUID: uid, QoS: burstable}},
		"kubernetes, guaranteed":      {"/kubepods.slice/kubepods-pod" + strings.ReplaceAll(uid, "-", "_") + ".slice/cri-containerd-" + id + ".scope", lifetime.Place{Container: id, Runtime: containerd, PodUID: uid, QoS: guaranteed}},
		"kubernetes, static pod":      {"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + static + ".slice/crio-" + id + ".scope", lifetime.Place{Container: id, Runtime: crio, PodUID: static, QoS: bestEffort}},
		"kubernetes, cgroupfs":        {"/kubepods/besteffort/pod" + uid + "/" + id, lifetime.Place{Container: id, PodUID: uid, QoS: bestEffort}},
		"kubernetes, cgroupfs, class": {"/kubepods/pod" + uid + "/" + id, lifetime.Place{Container: id, PodUID: uid, QoS: guaranteed}},
		"kubernetes, the pod itself":  {strings.TrimSuffix(podSlice, "/"), lifetime.Place{PodUID: uid, QoS: burstable}},
		"kind": {"/docker/" + outer + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod" + strings.ReplaceAll(uid, "-", "_") + ".slice/cri-containerd-" + id + ".scope",
			lifetime.Place{Container: id, Runtime: containerd, PodUID: uid, QoS: burstable}},
		"kubernetes, colons": {"/system.slice/containerd.service/kubepods-burstable-pod" + strings.ReplaceAll(uid, "-", "_") + ".slice:cri-containerd:" + id,
			lifetime.Place{Unit: "containerd.service", Container: id, Runtime: containerd, PodUID: uid, QoS: burstable}},
		"kubernetes, no uid":            {"/kubepods/burstable/podcast/x", lifetime.Place{}},
		"not of kubernetes":             {"/x.slice/x-pod" + static + ".slice", lifetime.Place{}},
		"63 digits":                     {"/docker/" + id[1:], lifetime.Place{}},
		"65 digits":                     {"/docker/" + id + "0", lifetime.Place{}},
		"capitals":                      {"/docker/" + strings.ToUpper(id), lifetime.Place{}},
		"not hexadecimal":               {"/docker/" + strings.Repeat("g", 64), lifetime.Place{}},
		"outside of the hierarchy seen": {"/../docker/" + id, lifetime.Place{Container: id, Runtime: docker}},
	} {
		tc.want.Cgroup = tc.cgroup
		if got := placeOf(tc.cgroup); got != tc.want {
			t.Errorf("%s: %s:\ngot  %+v\nwant %+v", name, tc.cgroup, got, tc.want)
		}
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		`my\x2dweb`: "my-web", `a\x2db\x2dc`: "a-b-c", `\x2`: `\x2`, `\x`: `\x`, `x\xzz`: `x\xzz`, `\x5cx2d`: `\x2d`, `\\x41`: `\A`, "": "",
	} {
		if got := unescape(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// What is found was there, and is of the form it claims.
func FuzzPlaceOf(f *testing.F) {
	f.Add("/docker/" + id)
	f.Add("//..//-.scope")
	f.Add("relative/-" + id + ".scope/x")
	f.Add(podSlice + "cri-containerd-" + id + ".scope")
	f.Add("/kubepods/burstable/pod" + uid + "/" + id)
	f.Add(`/machine.slice/machine-my\x2dweb.scope/supervisor`)
	f.Add("/user.slice/user-1000.slice/user@1000.service/app.slice/a.service")
	f.Fuzz(func(t *testing.T, cgroup string) {
		p := placeOf(cgroup)
		if p.Cgroup != cgroup {
			t.Errorf("the path became %q", p.Cgroup)
		}
		for _, unit := range []string{p.Unit, p.UserUnit} {
			if unit != "" && (!isUnit(unit) || !strings.Contains(cgroup, unit)) {
				t.Errorf("%q has no unit %q", cgroup, unit)
			}
		}
		if p.PodUID != "" && !isPodUID(p.PodUID) || (p.PodUID == "") != (p.QoS == "") {
			t.Errorf("%q has no pod %q of class %q", cgroup, p.PodUID, p.QoS)
		}
		if p.Container != "" && p.ContainerName == "" && (len(p.Container) != idLength || !strings.Contains(cgroup, p.Container)) {
			t.Errorf("%q has no container %q", cgroup, p.Container)
		}
		if len(p.ContainerName) > longestName || p.ContainerName != "" && p.ContainerName != p.Container || p.Container == "" && p.Runtime != "" {
			t.Errorf("%q has no container %q named %q of %q", cgroup, p.Container, p.ContainerName, p.Runtime)
		}
	})
}
