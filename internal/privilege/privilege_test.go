package privilege

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTableIsWhole(t *testing.T) {
	seen := map[uint]bool{}
	for _, c := range All {
		if seen[c.Bit] || c.Bit > unix.CAP_LAST_CAP || !strings.HasPrefix(c.Name, "CAP_") {
			t.Errorf("%s: bit %d", c.Name, c.Bit)
		}
		seen[c.Bit] = true
		if c.Use == 0 || c.Why == "" {
			t.Errorf("%s: nothing says what it is for", c.Name)
		}
		if c.Without == "" && (c.Root || c.Use != Beginning) {
			t.Errorf("%s: the tracer would do without, and nothing says what is missing then", c.Name)
		}
	}
}

func TestMissing(t *testing.T) {
	for name, tc := range map[string]struct {
		set            Set
		fentry, stable string
	}{
		"nothing":                 {0, "CAP_BPF, CAP_PERFMON", "CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYSLOG"},
		"all":                     {1<<41 - 1, "", ""},
		"bpf":                     {1 << unix.CAP_BPF, "CAP_PERFMON", "CAP_PERFMON, CAP_NET_ADMIN, CAP_SYSLOG"},
		"the fentry set's":        {1<<unix.CAP_BPF | 1<<unix.CAP_PERFMON, "", "CAP_NET_ADMIN, CAP_SYSLOG"},
		"what stands for most":    {1 << unix.CAP_SYS_ADMIN, "", "CAP_SYSLOG"},
		"and the address besides": {1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_SYSLOG, "", ""},
	} {
		if got := Names(tc.set.Missing(false)); got != tc.fentry {
			t.Errorf("%s: for fentry %q, want %q", name, got, tc.fentry)
		}
		if got := Names(tc.set.Missing(true)); got != tc.stable {
			t.Errorf("%s: for stable %q, want %q", name, got, tc.stable)
		}
	}
}

func TestUnseen(t *testing.T) {
	if got := Set(1<<41 - 1).Unseen(); len(got) != 0 {
		t.Errorf("with everything %s is missing", Names(got))
	}
	if got := Names(Set(1 << unix.CAP_SYS_ADMIN).Unseen()); got != "CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH" {
		t.Errorf("got %s", got)
	}
}

func TestSetcap(t *testing.T) {
	const want = "setcap cap_bpf,cap_perfmon,cap_sys_admin,cap_sys_ptrace,cap_dac_read_search=ep /x"
	if got := Setcap("/x", false); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := Setcap("/x", true); !strings.Contains(got, "cap_net_admin") || !strings.Contains(got, "cap_syslog") {
		t.Errorf("for the stable set: %s", got)
	}
}

// The kernel's own words are the judge.
func TestOwnCapabilities(t *testing.T) {
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	for name, get := range map[string]func() (Set, error){"CapEff": Effective, "CapPrm": Permitted} {
		_, rest, _ := strings.Cut(string(status), name+":")
		text, _, _ := strings.Cut(rest, "\n")
		want, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := get(); err != nil || uint64(got) != want {
			t.Errorf("%s: got %x, %v, want %x", name, got, err, want)
		}
	}
}
