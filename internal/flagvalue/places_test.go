package flagvalue

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func newCgroups() pflag.Value    { return new(Cgroups) }
func newContainers() pflag.Value { return new(Containers) }
func newUnits() pflag.Value      { return new(Units) }
func newPods() pflag.Value       { return new(Pods) }

func TestCgroups(t *testing.T) {
	runSetCases(t, newCgroups, []setCase{
		{name: "path", set: []string{"/system.slice/nginx.service"}, want: "/system.slice/nginx.service"},
		{name: "folder", set: []string{"/sys/fs/cgroup/system.slice/nginx.service/"}, want: "/system.slice/nginx.service"},
		{name: "folder of a hybrid host", set: []string{"/sys/fs/cgroup/unified/user.slice"}, want: "/user.slice"},
		{name: "root", set: []string{"/"}, want: "/"},
		{name: "mount", set: []string{"/sys/fs/cgroup"}, want: "/"},
		{name: "mount of a hybrid host", set: []string{"/sys/fs/cgroup/unified/"}, want: "/"},
		{name: "named like the mount", set: []string{"/sys/fs/cgroups/a"}, want: "/sys/fs/cgroups/a"},
		{name: "several, sorted, once", set: []string{"/b,/a", "/a/"}, want: "/a,/b"},
		{name: "unclean", set: []string{"//a/./b/../c//"}, want: "/a/c"},
		{name: "any bytes", set: []string{"/a \xff"}, want: "/a \xff"},
		{name: "relative", set: []string{"system.slice"}, wantErr: `"/system.slice"`},
		{name: "second relative", set: []string{"/a,b"}, wantErr: `"b": want a path`},
		{name: "NUL", set: []string{"/a\x00b"}, wantErr: "NUL"},
		{name: "empty", set: []string{""}, wantErr: "empty"},
		{name: "empty element", set: []string{"/a,"}, wantErr: "element is empty"},
	})
}

func TestContainers(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	runSetCases(t, newContainers, []setCase{
		{name: "id", set: []string{id}, want: id},
		{name: "names and ids, sorted, once", set: []string{"web_1,0123", "db.main,0123"}, want: "0123,db.main,web_1"},
		{name: "short names may be of hexadecimal digits", set: []string{"abc"}, want: "abc"},
		{name: "space", set: []string{"my web"}, wantErr: "4 or more digits of its id"},
		{name: "control", set: []string{"web\x1b[2J"}, wantErr: "a container's name"},
		{name: "path", set: []string{"/docker/web"}, wantErr: "a container's name"},
		{name: "empty", set: []string{""}, wantErr: "empty"},
		{name: "empty element", set: []string{"web,,db"}, wantErr: "element is empty"},
	})
	for s, want := range map[string]bool{"": false, "abc": false, "abcd": true, "ABCD": false, "web1": false, id: true} {
		if IsIDPrefix(s) != want {
			t.Errorf("%q is a prefix: %t, want %t", s, !want, want)
		}
	}
}

func TestUnits(t *testing.T) {
	runSetCases(t, newUnits, []setCase{
		{name: "service", set: []string{"nginx.service"}, want: "nginx.service"},
		{name: "without its type", set: []string{"nginx"}, want: "nginx.service"},
		{name: "both are one", set: []string{"nginx,nginx.service"}, want: "nginx.service"},
		{name: "of an instance", set: []string{"getty@tty1"}, want: "getty@tty1.service"},
		{name: "with a dot", set: []string{"dbus-org.freedesktop.login1"}, want: "dbus-org.freedesktop.login1.service"},
		{name: "escaped", set: []string{`run-a\x2db.scope`}, want: `run-a\x2db.scope`},
		{name: "others with processes", set: []string{"session-3.scope,a.socket,b.mount,c.swap"}, want: "a.socket,b.mount,c.swap,session-3.scope"},
		{name: "named like a type", set: []string{"timer"}, want: "timer.service"},
		{name: "slice", set: []string{"system.slice"}, wantErr: "--cgroup"},
		{name: "timer", set: []string{"backup.timer"}, wantErr: "the service it starts"},
		{name: "pattern", set: []string{"nginx*"}, wantErr: "the name of one unit"},
		{name: "path", set: []string{"/system.slice/nginx.service"}, wantErr: "the name of one unit"},
		{name: "only a type", set: []string{".service"}, wantErr: "no unit"},
		{name: "too long", set: []string{strings.Repeat("x", 248)}, wantErr: "no unit"},
		{name: "empty", set: []string{""}, wantErr: "empty"},
	})
}

func TestPods(t *testing.T) {
	const uid = "0a1b2c3d-0001-0002-0003-0123456789ab"
	runSetCases(t, newPods, []setCase{
		{name: "namespace and name", set: []string{"prod/web-0"}, want: "prod/web-0"},
		{name: "name", set: []string{"web-0"}, want: "web-0"},
		{name: "uid", set: []string{uid}, want: uid},
		{name: "several, sorted, once", set: []string{"prod/web,web", "dev/web,web"}, want: "web,dev/web,prod/web"},
		{name: "name of a host", set: []string{"kube-system/etcd-node1.example.org"}, want: "kube-system/etcd-node1.example.org"},
		{name: "all of a namespace", set: []string{"prod/"}, wantErr: "NAMESPACE/NAME"},
		{name: "no namespace", set: []string{"/web"}, wantErr: "NAMESPACE/NAME"},
		{name: "dot in a namespace", set: []string{"a.b/web"}, wantErr: "NAMESPACE/NAME"},
		{name: "deeper", set: []string{"a/b/c"}, wantErr: "NAMESPACE/NAME"},
		{name: "capitals", set: []string{"prod/Web"}, wantErr: "NAMESPACE/NAME"},
		{name: "ends in a dash", set: []string{"prod/web-"}, wantErr: "NAMESPACE/NAME"},
		{name: "too long", set: []string{strings.Repeat("x", 254)}, wantErr: "NAMESPACE/NAME"},
		{name: "empty", set: []string{""}, wantErr: "empty"},
	})
	var p Pods
	if err := p.Set("prod/web,web"); err != nil {
		t.Fatal(err)
	}
	if want := []Pod{{"", "web"}, {"prod", "web"}}; !slices.Equal(p.List(), want) {
		t.Errorf("List is %q, want %q", p.List(), want)
	}
}

func FuzzCgroups(f *testing.F) { fuzzValue(f, newCgroups, "/a/b", "/sys/fs/cgroup/a", "//../x/") }
func FuzzContainers(f *testing.F) {
	fuzzValue(f, newContainers, "web", "0123456789ab", "a b", "/x")
}
func FuzzUnits(f *testing.F) { fuzzValue(f, newUnits, "nginx", "a.service", "x.slice", ".timer") }
func FuzzPods(f *testing.F)  { fuzzValue(f, newPods, "a/b", "web-0", "a/b/c", "-") }
