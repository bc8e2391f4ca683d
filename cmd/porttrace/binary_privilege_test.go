//go:build linux

package main

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/testutil"
)

// theUser ran sudo.
const theUser = 1000

// openFolder makes the working directory one that any user reaches and writes to,
// unlike a folder of the tests.
func (p *process) openFolder() {
	p.t.Helper()
	dir, err := os.MkdirTemp("/tmp", "porttrace-binary-")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		p.t.Fatal(err)
	}
	p.dir, p.cmd.Dir = dir, dir
}

func TestSudoersRecording(t *testing.T) {
	for name, prepareFolder := range map[string]func(*process) error{
		"folder of root's":    func(p *process) error { return nil },
		"folder of the user":  func(p *process) error { p.openFolder(); return os.Chown(p.dir, theUser, theUser) },
		"folder of everybody": func(p *process) error { p.openFolder(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, 40000, 40100)
			p := prepare(t, "-q", c.netns())
			if err := prepareFolder(p); err != nil {
				t.Fatal(err)
			}
			p.cmd.Env = append(p.cmd.Env, "SUDO_UID=1000", "SUDO_GID=1000", "SUDO_USER=someone")
			p.start().waitTracing()
			opened := c.do("open", 3)
			c.do("close")
			p.interrupt()
			names := p.files()
			if len(names) != 1 {
				t.Fatalf("it made %q", names)
			}
			var st unix.Stat_t
			if err := unix.Lstat(p.path(names[0]), &st); err != nil {
				t.Fatal(err)
			}
			if st.Uid != theUser || st.Gid != theUser || st.Mode != unix.S_IFREG|0o640 {
				t.Errorf("the recording belongs to %d:%d, mode %o", st.Uid, st.Gid, st.Mode)
			}
			c.wantLifetimes(whole(t, readFile(t, p.path(names[0]))), opened)
		})
	}
}

func TestBadSudoVariables(t *testing.T) {
	testutil.NeedBPF(t)
	p := prepare(t)
	p.cmd.Env = append(p.cmd.Env, "SUDO_UID=root", "SUDO_GID=1000")
	p.start().wantRefusal(1, `SUDO_UID="root" is no id`)
}

// asNobody runs it as a user without any privilege.
func (p *process) asNobody() *process {
	p.t.Helper()
	testutil.Need(p.t, os.Geteuid() == 0, "root, to become another user")
	p.openFolder()
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return p.start()
}

const needsRoot = "porttrace: tracing needs root: run it with sudo\n"

func TestNotRoot(t *testing.T) {
	for _, args := range []string{"", "--port 60568", "-o x.jsonl", "-o - --format json", "--hooks stable -q"} {
		t.Run(args, func(t *testing.T) {
			p := prepare(t, strings.Fields(args)...).asNobody()
			p.wantRefusal(1, "tracing needs root")
			if got := p.stderr.String(); got != needsRoot {
				t.Errorf("it says %q, want %q", got, needsRoot)
			}
		})
	}
	t.Run("usage comes first", func(t *testing.T) {
		prepare(t, "--port", "0").asNobody().wantRefusal(2, "--port")
	})
	t.Run("--version", func(t *testing.T) {
		p := prepare(t, "--version").asNobody()
		p.wait(0)
		wantLines(t, p.stdout.String(), "porttrace .* linux/.*")
	})
}

// checkSets compares the sets that work, as the doctor says, with what the tracer does.
func checkSets(t *testing.T, works []string) {
	t.Helper()
	for _, set := range []string{"fentry", "stable"} {
		p := prepare(t, "--hooks", set, "-o", "none", "-q", "--duration", "1ms").start()
		if !slices.Contains(works, set) {
			p.wantRefusal(1, "the "+set+" hook set does not work here: ")
			continue
		}
		p.wait(0)
		p.wantNotice("hooks: " + set)
	}
	p := prepare(t, "-o", "none", "-q", "--duration", "1ms").start()
	p.wait(0)
	p.wantNotice("hooks: " + works[0])
	if notFentry := strings.Contains(p.stderr.String(), "hooks: stable; not fentry: "); notFentry != (works[0] == "stable") {
		t.Errorf("it does not say why it took its hooks:\n%s", &p.stderr)
	}
}

// checkDoctor returns the sets of hooks that work, as the doctor says, and checks that
// nothing else is amiss.
func checkDoctor(p *process) (works []string) {
	p.t.Helper()
	lines := strings.Split(strings.TrimSuffix(p.stdout.String(), "\n"), "\n")
	verdict := lines[len(lines)-1]
	works = map[string][]string{
		"Both hook sets work here; porttrace takes the exact one, fentry.":                                                                      {"fentry", "stable"},
		"The fentry hook set works here, the stable one does not; porttrace takes fentry, which is exact.":                                      {"fentry"},
		"The stable hook set works here, the fentry one does not; porttrace takes stable (the manual, porttrace man, says what it cannot see).": {"stable"},
	}[verdict]
	if len(works) == 0 || p.stderr.String() != "" {
		p.t.Errorf("the verdict is %q, standard error has %q", verdict, &p.stderr)
	}
	for _, line := range lines[:len(lines)-2] {
		set, _, _ := strings.Cut(strings.ReplaceAll(strings.TrimPrefix(line, "NO  "), ",", " "), " ")
		refused := (set == "fentry" || set == "stable") && !slices.Contains(works, set)
		if !strings.HasPrefix(line, "ok ") && !strings.HasPrefix(line, "so ") && !refused { // not every kernel has all
			p.t.Errorf("it says %q", line)
		}
	}
	return works
}

func TestDoctor(t *testing.T) {
	testutil.NeedBPF(t)
	p := prepare(t, "doctor").start()
	p.wait(0)
	works := checkDoctor(p)
	checkSets(t, works)
	if names := p.files(); len(names) > 0 {
		t.Errorf("it made %q", names)
	}

	p = prepare(t, "doctor").asNobody()
	p.wait(1)
	if got := p.stderr.String(); got != needsRoot {
		t.Errorf("to nobody it says %q, want %q", got, needsRoot)
	}
	for line := range strings.Lines(p.stdout.String()) {
		if !strings.HasPrefix(line, "ok ") && !strings.HasPrefix(line, "NO ") && !strings.HasPrefix(line, "so ") {
			t.Errorf("to nobody it says %q", line)
		}
	}
}
