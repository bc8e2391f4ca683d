package owner

import (
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

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
