package probe

import (
	"errors"
	"fmt"
	"os"
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
