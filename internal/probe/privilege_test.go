package probe

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/privilege"
	"porttrace/internal/testutil/need"
)

// triedSet has the test binary try a set of hooks, as somebody with few capabilities.
const triedSet = "PORTTRACE_TEST_TRIES"

func TestMain(m *testing.M) {
	set := Set(os.Getenv(triedSet))
	if set == "" {
		os.Exit(m.Run())
	}
	if err := tryAll(set); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// tryAll loads, attaches and runs all that a set needs, whatever the table of
// capabilities says.
func tryAll(set Set) error {
	p := &Probe{set: set, options: Options{TCP: true, UDP: true, IPv4: true, IPv6: true, BufferSize: os.Getpagesize()}}
	defer p.Close()
	if err := p.load(); err != nil {
		return err
	}
	if err := p.attach(); err != nil {
		return err
	}
	for _, it := range iterators {
		if err := p.iterate(nil, it, func(*event.Event) {}, nil); err != nil {
			return err
		}
	}
	return nil
}

// tryAs is tryAll of nobody with some capabilities.
func tryAs(set Set, held []privilege.Capability) error {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), triedSet+"="+string(set))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	for _, c := range held {
		cmd.SysProcAttr.AmbientCaps = append(cmd.SysProcAttr.AmbientCaps, uintptr(c.Bit))
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// The kernel is the judge of the table of capabilities: with those that it says there is
// no tracing without it works, and with any less it does not; CAP_SYS_ADMIN stands for
// those of bpf().
func TestCapabilitiesAreEnoughAndNeeded(t *testing.T) {
	need.Root(t, "to become somebody with few capabilities")
	raiseMemlock() // CAP_SYS_RESOURCE would, before 5.11
	tried := 0
	for _, set := range []Set{Fentry, Stable} {
		if only := Set(os.Getenv("PORTTRACE_TEST_HOOKS")); only != "" && only != Auto && only != set || tryAll(set) != nil {
			continue
		}
		tried++
		needed := privilege.Set(0).Missing(set == Stable)
		if err := tryAs(set, needed); err != nil {
			t.Errorf("%s with %s: %v", set, privilege.Names(needed), err)
		}
		for i := range needed {
			if needed[i].Bit == unix.CAP_SYSLOG && !areAddressesHidden(t) {
				continue
			}
			less := append(append([]privilege.Capability{}, needed[:i]...), needed[i+1:]...)
			if tryAs(set, less) == nil {
				t.Errorf("%s works without %s", set, needed[i].Name)
			}
		}
		admin := privilege.Capability{Bit: unix.CAP_SYS_ADMIN}
		if err := tryAs(set, append((privilege.Set(1)<<unix.CAP_SYS_ADMIN).Missing(set == Stable), admin)); err != nil {
			t.Errorf("%s with CAP_SYS_ADMIN for what it stands for: %v", set, err)
		}
	}
	need.That(t, tried > 0, "hooks that work")
}

// areAddressesHidden says whether /proc/kallsyms asks for CAP_SYSLOG
// (kallsyms_show_value).
func areAddressesHidden(t *testing.T) bool {
	number := func(name string) int {
		text, err := os.ReadFile("/proc/sys/kernel/" + name)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return number("kptr_restrict") == 1 || number("perf_event_paranoid") > 1
}
