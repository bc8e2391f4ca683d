package lifetime

import (
	"encoding/json"
	"fmt"
	"unique"
)

// Owner is who made the kernel assign a port, in people's terms. PID 0 means unknown.
// Equal owners compare as equal.
type Owner struct {
	PID, TID, UID uint32
	Comm          string // as the kernel keeps it, any bytes
	Place         Interned[Place]
	Program       Interned[Program]
	User          Interned[string] // the name of UID on the host
}

// Place is where a process runs: its cgroup, and what that says to those who know the
// names that systemd, container runtimes and the kubelet give. Any field may be unknown
// or not apply, which is "". All but QoS and Runtime are any bytes.
type Place struct {
	Cgroup        string // path in the default hierarchy
	Unit          string // of the system's manager, "nginx.service"
	UserUnit      string // of a user's manager
	Container     string // id
	Runtime       string // "docker", "podman", "containerd", "cri-o", "lxc", "systemd-nspawn"
	ContainerName string
	Pod           string // Kubernetes' name
	PodNamespace  string
	PodUID        string
	QoS           string // "guaranteed", "burstable", "besteffort"
}

// Program is what a process runs. "" is unknown.
type Program struct {
	Exe     string // path, as the process sees it
	Cmdline string // arguments joined by blanks; a long one ends in "…"
}

// Interned is a value that many records share: kept once, as long as somebody has it,
// and no larger than a pointer wherever it is. Equal values compare as equal. The zero
// Interned is T's zero value.
type Interned[T comparable] struct{ handle unique.Handle[T] }

// Intern returns a value to share. It is safe for concurrent use.
func Intern[T comparable](v T) Interned[T] {
	var zero T
	if v == zero {
		return Interned[T]{}
	}
	return Interned[T]{unique.Make(v)}
}

// Value returns the value.
func (i Interned[T]) Value() T {
	if i == (Interned[T]{}) {
		var zero T
		return zero
	}
	return i.handle.Value()
}

// String returns the value as fmt prints it.
func (i Interned[T]) String() string { return fmt.Sprint(i.Value()) }

// MarshalJSON implements json.Marshaler: as the value.
func (i Interned[T]) MarshalJSON() ([]byte, error) { return json.Marshal(i.Value()) }

// UnmarshalJSON implements json.Unmarshaler.
func (i *Interned[T]) UnmarshalJSON(text []byte) error {
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	*i = Intern(v)
	return nil
}
