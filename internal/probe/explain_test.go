package probe

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

func TestExplain(t *testing.T) {
	other := errors.New("disk on fire")
	for name, tc := range map[string]struct {
		err  error
		want string
		is   error
	}{
		"too old":          {fmt.Errorf("program bind4: %w", ebpf.ErrNotSupported), "this kernel does not have it: program bind4: not supported", ebpf.ErrNotSupported},
		"invalid":          {fmt.Errorf("attach: %w", unix.EINVAL), "this kernel does not have it: attach: invalid argument", unix.EINVAL},
		"all else as is":   {other, "disk on fire", other},
		"no such file":     {os.ErrNotExist, "file does not exist", os.ErrNotExist},
		"nothing is wrong": {nil, "", nil},
	} {
		got := explain(tc.err)
		switch {
		case tc.err == nil && got != nil, tc.err != nil && (got == nil || got.Error() != tc.want || !errors.Is(got, tc.is)):
			t.Errorf("%s: got %v, want %s", name, got, tc.want)
		}
	}
}

func TestExplainTheVerifier(t *testing.T) {
	verifier := &ebpf.VerifierError{Cause: unix.EACCES, Log: []string{"R1 invalid mem access"}}
	got := explain(fmt.Errorf("load: %w", verifier))
	if want := "the kernel's verifier refuses it: " + verifier.Error(); got.Error() != want || !errors.Is(got, unix.EACCES) {
		t.Errorf("got %v, want %s", got, want)
	}
}

// The library's "MEMLOCK may be too low" is not passed on.
func TestExplainARefusal(t *testing.T) {
	want := "the kernel refuses it, whatever the privileges (EPERM): a hardened or locked-down kernel"
	if p := checkPrivileges(Fentry); p != nil {
		want = p.Error()
	}
	for _, err := range []error{unix.EPERM, unix.EACCES} {
		wrapped := fmt.Errorf("map create: %w (MEMLOCK may be too low)", err)
		if got := explain(wrapped); got == nil || got.Error() != want {
			t.Errorf("%v: got %v, want %s", err, got, want)
		}
	}
}

func TestOptionalHooksAreDroppedOneByOneAndSaid(t *testing.T) {
	p, s := &Probe{options: Options{TCP: true, UDP: true}}, spec(t)
	p.choose(s)
	var optional []string
	for _, h := range stableHooks {
		if h.optional {
			optional = append(optional, h.what)
		}
	}
	table := slices.Clone(stableHooks)
	for _, cause := range []error{errors.New("no memory"), unix.EPERM} {
		if p.dropOptional(s, cause) {
			t.Errorf("a hook was dropped because of %v", cause)
		}
	}
	drops := 0
	for p.dropOptional(s, fmt.Errorf("program: %w", ebpf.ErrNotSupported)) {
		drops++
	}
	if !slices.Equal(p.Missing(), optional) || drops != len(optional) || len(p.hooks) != len(stableHooks)-drops {
		t.Errorf("dropped %v, want %v", p.Missing(), optional)
	}
	for _, h := range p.hooks {
		if h.optional || s.Programs[h.program] == nil {
			t.Errorf("%s: optional %t, still loaded %t", h.program, h.optional, s.Programs[h.program] != nil)
		}
	}
	if !slices.Equal(table, stableHooks) {
		t.Error("the table itself was changed")
	}
}
