package flagvalue

import (
	"slices"
	"testing"

	"github.com/spf13/pflag"

	"porttrace/internal/event"
)

func newProtos() pflag.Value { return new(Protos) }
func newPIDs() pflag.Value   { return new(PIDs) }
func newUIDs() pflag.Value   { return new(UIDs) }
func newComms() pflag.Value  { return new(Comms) }

func TestProtos(t *testing.T) {
	runSetCases(t, newProtos, []setCase{
		{name: "tcp", set: []string{"tcp"}, want: "tcp"},
		{name: "both", set: []string{"udp,tcp"}, want: "tcp,udp"},
		{name: "repeated", set: []string{"udp", "tcp", "udp"}, want: "tcp,udp"},
		{name: "other", set: []string{"tcp,sctp"}, wantErr: "want tcp or udp"},
		{name: "capitals", set: []string{"TCP"}, wantErr: "want tcp or udp"},
		{name: "empty", set: []string{""}, wantErr: "empty"},
	})
	var p Protos
	if !p.Empty() || p.Contains(event.TCP) {
		t.Error("the zero value is not empty")
	}
	if err := p.Set("udp"); err != nil || p.Empty() || p.Contains(event.TCP) || !p.Contains(event.UDP) {
		t.Errorf("Set(udp): %v, %v", &p, err)
	}
}

func TestPIDs(t *testing.T) {
	runSetCases(t, newPIDs, []setCase{
		{name: "one", set: []string{"1"}, want: "1"},
		{name: "sorted, once", set: []string{"30,4,30", "5"}, want: "4,5,30"},
		{name: "highest", set: []string{"4194304"}, want: "4194304"},
		{name: "zero", set: []string{"0"}, wantErr: "from 1 to 4194304"},
		{name: "too high", set: []string{"4194305"}, wantErr: "from 1 to 4194304"},
		{name: "name", set: []string{"nginx"}, wantErr: "--comm"},
		{name: "negative", set: []string{"-1"}, wantErr: "from 1"},
		{name: "empty element", set: []string{"1,"}, wantErr: "element is empty"},
	})
}

func TestUIDs(t *testing.T) {
	runSetCases(t, newUIDs, []setCase{
		{name: "number", set: []string{"1000"}, want: "1000"},
		{name: "root", set: []string{"root"}, want: "0"},
		{name: "both", set: []string{"1000,root", "0"}, want: "0,1000"},
		{name: "highest", set: []string{"4294967294"}, want: "4294967294"},
		{name: "no user", set: []string{"4294967295"}, wantErr: "from 0 to 4294967294"},
		{name: "too high", set: []string{"99999999999999999999"}, wantErr: "from 0 to 4294967294"},
		{name: "unknown", set: []string{"no-such-user-here"}, wantErr: "no such user"},
		{name: "empty", set: []string{""}, wantErr: "empty"},
	})
}

func TestComms(t *testing.T) {
	runSetCases(t, newComms, []setCase{
		{name: "one", set: []string{"curl"}, want: "curl"},
		{name: "repeated", set: []string{"wget", "curl", "wget"}, want: "curl,wget"},
		{name: "15 bytes", set: []string{"123456789012345"}, want: "123456789012345"},
		{name: "with a space and a comma", set: []string{"a b,c"}, want: "a b,c"},
		{name: "16 bytes", set: []string{"1234567890123456"}, wantErr: `keeps 15 bytes: give "123456789012345"`},
		{name: "bytes, not letters", set: []string{"ääääääää"}, wantErr: "16 bytes"},
		{name: "NUL", set: []string{"a\x00b"}, wantErr: "NUL"},
		{name: "empty", set: []string{""}, wantErr: "empty"},
	})
	var c Comms
	for _, name := range []string{"b,c", "a"} {
		if err := c.Set(name); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"a", "b,c"}; !slices.Equal(c.List(), want) {
		t.Errorf("List is %q, want %q", c.List(), want)
	}
}

// A list handed out is the caller's.
func TestListsAreCopies(t *testing.T) {
	var p PIDs
	if err := p.Set("1,2"); err != nil {
		t.Fatal(err)
	}
	p.List()[0] = 9
	if p.String() != "1,2" {
		t.Errorf("changing the list changed the set to %v", &p)
	}
}

func FuzzProtos(f *testing.F) { fuzzValue(f, newProtos, "tcp", "udp,tcp", "TCP") }
func FuzzPIDs(f *testing.F)   { fuzzValue(f, newPIDs, "1", "4194304", "4194305,1") }
func FuzzUIDs(f *testing.F)   { fuzzValue(f, newUIDs, "0", "root", "4294967295") }
func FuzzComms(f *testing.F)  { fuzzValue(f, newComms, "curl", "1234567890123456") }
