package probe

import (
	"os"
	"slices"
	"testing"

	"porttrace/internal/testutil/need"
)

// What a kernel does not have is left out and said, and nothing else is.
func TestAbsentTracepointsAreDroppedAndSaid(t *testing.T) {
	_, err := os.Stat(btfPath)
	need.That(t, err == nil, btfPath)
	table := slices.Clone(stableHooks)
	for _, absent := range []bool{false, true} {
		p, s := &Probe{options: Options{TCP: true, UDP: true}}, spec(t)
		p.choose(s)
		var optional []string
		dropped := 0
		for _, h := range stableHooks {
			if h.optional {
				dropped++
				if !h.rescues {
					optional = append(optional, h.what)
				}
				s.Programs[h.program].AttachTo = map[bool]string{false: "inet_sock_set_state", true: "no_such_tracepoint"}[absent]
			}
		}
		if !absent {
			optional, dropped = nil, 0
		}
		if err := p.dropAbsent(s); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(p.Missing(), optional) || len(p.hooks) != len(stableHooks)-dropped {
			t.Errorf("dropped %v and kept %d hooks, want %v and %d", p.Missing(), len(p.hooks), optional, len(stableHooks)-dropped)
		}
		for _, h := range p.hooks {
			if h.optional && absent || s.Programs[h.program] == nil {
				t.Errorf("%s: optional %t, still loaded %t", h.program, h.optional, s.Programs[h.program] != nil)
			}
		}
	}
	if !slices.Equal(table, stableHooks) {
		t.Error("the table itself was changed")
	}
}
