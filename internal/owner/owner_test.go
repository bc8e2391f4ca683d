package owner

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// self is this process as the kernel side tells of it.
func self(t testing.TB) event.Owner {
	t.Helper()
	return ownerOf(t, os.Getpid())
}

func ownerOf(t testing.TB, pid int) event.Owner {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	name, started, err := parseStat(text)
	if err != nil {
		t.Fatal(err)
	}
	o := event.Owner{PID: uint32(pid), TID: uint32(pid), UID: uint32(os.Getuid()), Started: uint32(started)}
	copy(o.Comm[:], name)
	return o
}

func TestDescribe(t *testing.T) {
	r := &Resolver{}
	defer r.Close()
	path := "/docker/" + id
	r.paths.put(cgroupID{id: 77}, path)
	o := self(t)
	o.Cgroup = 77
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	got := r.Describe(o)
	want := lifetime.Owner{
		PID: o.PID, TID: o.TID, UID: o.UID, Comm: o.Comm.String(),
		Place:   lifetime.Intern(placeOf(path)),
		Program: lifetime.Intern(lifetime.Program{Exe: exe, Cmdline: cutArguments(os.Args)}),
		User:    got.User, // as this machine has it
	}
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	o.TID++
	if got := r.Describe(o); got.TID != o.TID || got.Program != want.Program {
		t.Errorf("another thread: got %v", got)
	}
	if got := r.Describe(event.Owner{UID: 3, Cgroup: 77, Comm: o.Comm}); got != (lifetime.Owner{}) {
		t.Errorf("without a process: got %v, want nothing known", got)
	}
}

func cutArguments(args []string) string {
	return joinArguments([]byte(strings.Join(args, "\x00") + "\x00"))
}

// A process that lives has a place though no hierarchy can be asked, and one that took
// over a pid is not taken for the one that had it.
func TestDescribeByProcess(t *testing.T) {
	r := &Resolver{}
	o := self(t)
	if got := r.Describe(o); got.Place.Value().Cgroup == "" || got.Program.Value().Exe == "" {
		t.Errorf("of this process: %v", got)
	}
	other := o
	other.Comm[0]++
	if got := r.Describe(other); got.Program != (lifetime.Interned[lifetime.Program]{}) {
		t.Errorf("of one that has called exec since: %v", got)
	}
	other.TID++
	other.Comm[1]++
	if got := r.Describe(other); got.Program.Value().Exe == "" {
		t.Errorf("of another thread, which may have any name: %v", got)
	}
	o.Started--
	if got := r.Describe(o); got.Place != (lifetime.Interned[lifetime.Place]{}) || got.Program != (lifetime.Interned[lifetime.Program]{}) {
		t.Errorf("of one that had the same pid before: %v", got)
	}
}

// What was known of a process is known when it has gone.
func TestOwnerSurvives(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &Resolver{}
	var o event.Owner
	deadline := time.Now().Add(time.Minute)
	for o = ownerOf(t, cmd.Process.Pid); o.Comm.String() != "sleep"; o = ownerOf(t, cmd.Process.Pid) { // until it has called exec
		if time.Now().After(deadline) {
			t.Fatal("sleep does not start")
		}
		time.Sleep(time.Millisecond)
	}
	before := r.Describe(o)
	cmd.Process.Kill()
	cmd.Wait()
	if after := r.Describe(o); after != before || after.Program.Value().Cmdline != "sleep 1000" {
		t.Errorf("alive %v, gone %v", before, after)
	}
	late := &Resolver{}
	if got := late.Describe(o); got.Program.Value() != (lifetime.Program{}) {
		t.Errorf("met when it had gone: %v", got)
	}
}

// A million processes, each in a namespace and with a name of its own, sixteen to a cgroup.
func TestMillionProcesses(t *testing.T) {
	r := &Resolver{names: names{root: "/nonexistent"}, users: users{root: "/nonexistent"}}
	r.AskGone(func(_ uint32, id uint64) (string, bool) {
		return fmt.Sprintf("/kubepods/burstable/pod%s/%064x", uid, id), true
	})
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // what is interned goes with the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	start := uint32(1 << 30) // no process's: nothing of it is in /proc
	tell := func(from, to uint32) {
		for i := from; i < to; i++ {
			o := event.Owner{PID: 2 + i%4_000_000, TID: i, UID: i, Started: start + i, Cgroup: uint64(i / 16), Comm: event.Comm{byte(i), byte(i >> 8), byte(i >> 16), 1}}
			got := r.Describe(o)
			if got.Place.Value().Container != fmt.Sprintf("%064x", i/16) || got.Comm != o.Comm.String() {
				t.Fatalf("owner %d is %v", i, got)
			}
			r.NetNS(i, ktime.Time(i))
		}
	}
	tell(0, 200_000)
	before := heap()
	n := uint32(1_000_000)
	if testing.Short() {
		n = 300_000
	}
	tell(200_000, n)
	if after := heap(); after > before+4<<20 {
		t.Errorf("the heap grew from %d to %d kB", before>>10, after>>10)
	} else {
		t.Logf("heap: %d kB after 200,000 owners, %d kB after %d", before>>10, after>>10, n)
	}
	for what, n := range map[string]int{"owners": r.owners.len(), "paths": r.paths.len(), "places": r.places.len()} {
		if n > 2*generation {
			t.Errorf("%d %s are kept", n, what)
		}
	}
}

func TestCacheKeepsWhatIsUsed(t *testing.T) {
	var c cache[int, string]
	c.put(-1, "server")
	for i := range 10 * generation {
		c.put(i, "")
		if i%(generation/2) == 0 {
			if v, ok := c.get(-1); !ok || v != "server" {
				t.Fatalf("after %d others: %q, %t", i, v, ok)
			}
		}
	}
	if _, ok := c.get(0); ok || c.len() > 2*generation {
		t.Errorf("the first is still there, or %d are", c.len())
	}
}

func TestNewResolverWorksAnywhere(t *testing.T) {
	r := NewResolver()
	if got := r.Describe(event.Owner{PID: 1, Cgroup: 1<<64 - 1}); got.PID != 1 || got.Program.Value() != (lifetime.Program{}) {
		t.Errorf("got %v", got)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// How dear an owner is that is known, one that has ended, and one that has to be read.
func BenchmarkDescribe(b *testing.B) {
	me := self(b)
	b.Run("known", func(b *testing.B) {
		var r Resolver
		b.ReportAllocs()
		for b.Loop() {
			r.Describe(me)
		}
	})
	b.Run("namespace", func(b *testing.B) {
		var r Resolver
		for b.Loop() {
			r.NetNS(4026531840, 1)
		}
	})
	for what, started := range map[string]uint32{"gone": me.Started - 1, "read": me.Started} {
		b.Run(what, func(b *testing.B) {
			var r Resolver
			r.paths.put(cgroupID{id: 7}, "/system.slice/x.service")
			o := me
			o.Started, o.Cgroup = started, 7
			b.ReportAllocs()
			for b.Loop() {
				o.UID++
				r.onlooker.allowance = allowance{}
				r.Describe(o)
			}
		})
	}
}

// write makes a file in a host of the test's own.
func write(t *testing.T, root, path, text string) {
	t.Helper()
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Both versions of cgroups tell where a process was: what tells more is taken, and the root,
// where a runtime of version 1 leaves everybody, is no place where version 1 is unknown.
func TestPathOfBothVersions(t *testing.T) {
	docker, unit := "/docker/"+id, "/system.slice/containerd.service"
	for _, tc := range []struct{ two, one, want string }{
		{"/", docker, docker},
		{unit, docker, docker},
		{"/user.slice/user-5.slice/user@5.service/app.slice/a.service", "/user.slice/user-5.slice/user@5.service", "/user.slice/user-5.slice/user@5.service/app.slice/a.service"},
		{"/kubepods.slice/kubepods-pod1.slice", "/", "/kubepods.slice/kubepods-pod1.slice"},
		{"/", "/batch", "/batch"},
		{"/", "/", "/"},
		{"/", "", ""},
		{"", docker, docker},
		{"", "", ""},
		{unit, "", unit},
	} {
		r := &Resolver{version1: 4}
		r.paths.put(cgroupID{0, 7}, tc.two)
		r.paths.put(cgroupID{4, 7}, tc.one)
		if got := r.path(event.Owner{Cgroup: 7, Cgroup1: 7}); got != tc.want {
			t.Errorf("of %q and %q in version 1: %q, want %q", tc.two, tc.one, got, tc.want)
		}
		if got := r.path(event.Owner{Cgroup: 7}); got != tc.two {
			t.Errorf("version 1 is not asked: %q, want %q", got, tc.two)
		}
	}
}
