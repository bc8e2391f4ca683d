package party

import (
	"slices"
	"testing"

	"porttrace/internal/lifetime"
)

const uid = "0a1b2c3d-0001-0002-0003-0123456789ab"

func owner(change func(*lifetime.Owner, *lifetime.Place)) *lifetime.Owner {
	o := lifetime.Owner{
		PID: 7, UID: 33, Comm: "nginx", User: lifetime.Intern("www-data"),
		Program: lifetime.Intern(lifetime.Program{Exe: "/usr/sbin/nginx", Cmdline: "nginx -g"}),
	}
	p := lifetime.Place{
		Cgroup: "/x", Unit: "user@33.service", UserUnit: "web.service", Container: "c0ffee", Runtime: "docker", ContainerName: "web",
		Pod: "web-0", PodNamespace: "prod", PodUID: uid,
	}
	if change != nil {
		change(&o, &p)
	}
	o.Place = lifetime.Intern(p)
	return &o
}

func nobody(o *lifetime.Owner, p *lifetime.Place) { *o, *p = lifetime.Owner{}, lifetime.Place{} }
func nameless(o *lifetime.Owner, p *lifetime.Place) {
	o.User, p.ContainerName, p.Pod, p.PodNamespace = lifetime.Interned[string]{}, "", "", ""
}
func inSystemUnit(_ *lifetime.Owner, p *lifetime.Place) { p.Unit, p.UserUnit = "nginx.service", "" }
func noUID(_ *lifetime.Owner, p *lifetime.Place)        { p.PodUID = "" }

// words are a party's fields and, last, its name.
func words(l Level, o *lifetime.Owner, netns uint32, name string) []string {
	key, label := l.Of(o, netns, lifetime.Intern(name))
	var all []string
	for _, f := range l.Fields(key, label) {
		if f.IsKnown != (f.Text != "") {
			panic(f)
		}
		all = append(all, f.Name+"="+f.Text)
	}
	return append(all, l.Name(key, label))
}

func TestLevels(t *testing.T) {
	for _, tc := range []struct {
		level  Level
		change func(*lifetime.Owner, *lifetime.Place)
		want   []string
	}{
		{Exe, nil, []string{"exe=/usr/sbin/nginx", "/usr/sbin/nginx"}},
		{Exe, nobody, []string{"exe=", ""}},
		{Unit, nil, []string{"unit=user@33.service", "user_unit=web.service", "web.service"}},
		{Unit, inSystemUnit, []string{"unit=nginx.service", "user_unit=", "nginx.service"}},
		{Unit, nobody, []string{"unit=", "user_unit=", ""}},
		{Container, nil, []string{"container=c0ffee", "container_name=web", "runtime=docker", "web"}},
		{Container, nameless, []string{"container=c0ffee", "container_name=", "runtime=docker", "c0ffee"}},
		{Container, nobody, []string{"container=", "container_name=", "runtime=", ""}},
		{Pod, nil, []string{"pod=web-0", "pod_namespace=prod", "pod_uid=" + uid, "prod/web-0"}},
		{Pod, nameless, []string{"pod=", "pod_namespace=", "pod_uid=" + uid, uid}},
		{Pod, noUID, []string{"pod=web-0", "pod_namespace=prod", "pod_uid=", "prod/web-0"}},
		{Pod, nobody, []string{"pod=", "pod_namespace=", "pod_uid=", ""}},
		{User, nil, []string{"uid=33", "user=www-data", "www-data"}},
		{User, nameless, []string{"uid=33", "user=", "33"}},
		{User, func(o *lifetime.Owner, _ *lifetime.Place) { o.UID, o.User = 0, lifetime.Interned[string]{} }, []string{"uid=0", "user=", "0"}},
		{User, nobody, []string{"uid=", "user=", ""}},
		{NetNS, nobody, []string{"netns=4026531840", "netns_name=cni-1", "cni-1"}},
		{Process, nil, []string{""}},
	} {
		if got := words(tc.level, owner(tc.change), 4026531840, "cni-1"); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.level, got, tc.want)
		}
	}
	if got, want := words(NetNS, owner(nil), 0, ""), []string{"netns=", "netns_name=", ""}; !slices.Equal(got, want) {
		t.Errorf("no namespace: %q, want %q", got, want)
	}
}

// A party is one before and after its name is known, and keeps it.
func TestNamesAreLearned(t *testing.T) {
	for _, level := range []Level{Container, Pod, User} {
		early, label := level.Of(owner(nameless), 1, lifetime.Interned[string]{})
		late, more := level.Of(owner(nil), 1, lifetime.Intern("x"))
		if early != late {
			t.Errorf("%s: %+v became %+v", level, early, late)
		}
		want := level.Name(late, more)
		for _, told := range []Label{more, {}, label} {
			if label.Learn(told); level.Name(early, label) != want {
				t.Errorf("%s: after %+v it is %q, want %q", level, told, level.Name(early, label), want)
			}
		}
	}
}

func TestKeysAreOrdered(t *testing.T) {
	keys := []Key{{}, {number: 0, known: true}, {number: 7, known: true}, {id: "a", known: true}, {id: "a", sub: "b", known: true}, {id: "b", known: true}}
	for i := range keys[1:] {
		if i > 0 && (keys[i].Compare(keys[i+1]) >= 0 || keys[i+1].Compare(keys[i]) <= 0) {
			t.Errorf("%+v and %+v", keys[i], keys[i+1])
		}
	}
}

func TestLevelNames(t *testing.T) {
	names := Names()
	for i, name := range names {
		if l := LevelOf(name); l != Level(i) || l.String() != name || l.Title() == "" || l.Plural() == "" {
			t.Errorf("%s: %s, %s, %s", name, l, l.Plural(), l.Title())
		}
	}
	if len(names) != int(NetNS)+1 || LevelOf("thread") != Process {
		t.Errorf("names %q", names)
	}
}
