package flagvalue

import (
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func newSize() pflag.Value     { return new(Size) }
func newDuration() pflag.Value { return new(Duration) }
func newFile() pflag.Value     { return new(File) }
func newFileSize() pflag.Value { return new(FileSize) }
func newPort() pflag.Value     { return new(Port) }

func newCount() pflag.Value {
	c := NewCount(1 << 24)
	return &c
}

func TestSize(t *testing.T) {
	runSetCases(t, newSize, []setCase{
		{name: "M", set: []string{"16M"}, want: "16MiB"},
		{name: "MiB", set: []string{"1MiB"}, want: "1MiB"},
		{name: "bytes", set: []string{"65536"}, want: "64KiB"},
		{name: "K", set: []string{"512K"}, want: "512KiB"},
		{name: "small letter", set: []string{"2m"}, want: "2MiB"},
		{name: "rounded up", set: []string{"65537"}, want: "128KiB"},
		{name: "rounded up in a unit", set: []string{"3M"}, want: "4MiB"},
		{name: "highest", set: []string{"1GiB"}, want: "1GiB"},
		{name: "rounded up to the highest", set: []string{"1073741823"}, want: "1GiB"},
		{name: "the last counts", set: []string{"1M", "2M"}, want: "2MiB"},
		{name: "zero", set: []string{"0"}, wantErr: "4KiB to 1GiB"},
		{name: "too small", set: []string{"4095"}, wantErr: "4KiB to 1GiB"},
		{name: "too large", set: []string{"1073741825"}, wantErr: "4KiB to 1GiB"},
		{name: "2G", set: []string{"2G"}, wantErr: "4KiB to 1GiB"},
		{name: "overflows", set: []string{"18014398509481984K"}, wantErr: "4KiB to 1GiB"},
		{name: "overflows more", set: []string{"99999999999999999999"}, wantErr: "4KiB to 1GiB"},
		{name: "decimal unit", set: []string{"16MB"}, wantErr: "want bytes"},
		{name: "word", set: []string{"big"}, wantErr: "want bytes"},
		{name: "fraction", set: []string{"1.5M"}, wantErr: "want bytes"},
		{name: "negative", set: []string{"-1M"}, wantErr: "want bytes"},
		{name: "only a unit", set: []string{"M"}, wantErr: "want bytes"},
		{name: "empty", set: []string{""}, wantErr: "want bytes"},
	})
}

func TestFileSize(t *testing.T) {
	runSetCases(t, newFileSize, []setCase{
		{name: "M", set: []string{"100M"}, want: "100MiB"},
		{name: "not rounded", set: []string{"65537"}, want: "65537"},
		{name: "lowest", set: []string{"4K"}, want: "4KiB"},
		{name: "highest", set: []string{"1T"}, want: "1TiB"},
		{name: "too small", set: []string{"4095"}, wantErr: "4KiB to 1TiB"},
		{name: "too large", set: []string{"2TiB"}, wantErr: "4KiB to 1TiB"},
		{name: "zero", set: []string{"0"}, wantErr: "4KiB to 1TiB"},
		{name: "word", set: []string{"big"}, wantErr: "want bytes"},
	})
}

func TestCount(t *testing.T) {
	runSetCases(t, newCount, []setCase{
		{name: "one", set: []string{"1"}, want: "1"},
		{name: "highest", set: []string{"16777216"}, want: "16777216"},
		{name: "the last counts", set: []string{"7", "9"}, want: "9"},
		{name: "zero", set: []string{"0"}, wantErr: "from 1 to 16777216"},
		{name: "too large", set: []string{"16777217"}, wantErr: "from 1 to 16777216"},
		{name: "overflows", set: []string{"99999999999999999999"}, wantErr: "from 1 to 16777216"},
		{name: "negative", set: []string{"-1"}, wantErr: "from 1 to 16777216"},
		{name: "word", set: []string{"many"}, wantErr: "from 1 to 16777216"},
		{name: "empty", set: []string{""}, wantErr: "from 1 to 16777216"},
	})
}

func TestPort(t *testing.T) {
	runSetCases(t, newPort, []setCase{
		{name: "lowest", set: []string{"1"}, want: "1"},
		{name: "highest", set: []string{"65535"}, want: "65535"},
		{name: "the last counts", set: []string{"7", "60568"}, want: "60568"},
		{name: "zero", set: []string{"0"}, wantErr: "want a port from 1 to 65535"},
		{name: "too large", set: []string{"65536"}, wantErr: "want a port from 1 to 65535"},
		{name: "a range", set: []string{"1-2"}, wantErr: "want a port from 1 to 65535"},
		{name: "word", set: []string{"http"}, wantErr: "want a port from 1 to 65535"},
		{name: "empty", set: []string{""}, wantErr: "want a port from 1 to 65535"},
	})
}

func TestDuration(t *testing.T) {
	runSetCases(t, newDuration, []setCase{
		{name: "seconds", set: []string{"90s"}, want: "1m30s"},
		{name: "hours", set: []string{"1h30m"}, want: "1h30m0s"},
		{name: "short", set: []string{"1ms"}, want: "1ms"},
		{name: "zero", set: []string{"0"}, wantErr: "more than zero"},
		{name: "zero seconds", set: []string{"0s"}, wantErr: "more than zero"},
		{name: "negative", set: []string{"-5s"}, wantErr: "more than zero"},
		{name: "no unit", set: []string{"30"}, wantErr: "with a unit"},
		{name: "days", set: []string{"1d"}, wantErr: "with a unit"},
		{name: "empty", set: []string{""}, wantErr: "with a unit"},
	})
	d := Duration(time.Second)
	if err := d.Set("2m"); err != nil || time.Duration(d) != 2*time.Minute {
		t.Errorf("Set(2m): %v, %v", d, err)
	}
}

func TestFile(t *testing.T) {
	runSetCases(t, newFile, []setCase{
		{name: "name", set: []string{"a b.jsonl"}, want: "a b.jsonl"},
		{name: "dash", set: []string{"-"}, want: "-"},
		{name: "empty", set: []string{""}, wantErr: "empty"},
	})
}

func TestChoice(t *testing.T) {
	c := NewChoice("auto", "fentry", "stable")
	if c.String() != "auto" || c.Type() != "auto|fentry|stable" {
		t.Errorf("a new choice is %v of %v", &c, c.Type())
	}
	if err := c.Set("stable"); err != nil || c.String() != "stable" {
		t.Errorf("Set(stable): %v, %v", &c, err)
	}
	for _, s := range []string{"", "kprobe", "Auto"} {
		if err := c.Set(s); err == nil || c.String() != "stable" {
			t.Errorf("Set(%q): %v, %v", s, &c, err)
		}
	}
}

func FuzzSize(f *testing.F) { fuzzValue(f, newSize, "16M", "1MiB", "65536", "4095", "3G") }

func FuzzDuration(f *testing.F) { fuzzValue(f, newDuration, "90s", "1h30m", "0", "-1s", "30") }

func FuzzFile(f *testing.F) { fuzzValue(f, newFile, "a", "-") }

func FuzzChoice(f *testing.F) {
	fuzzValue(f, func() pflag.Value { c := NewChoice("a", "b"); return &c }, "a", "b")
}

func FuzzFileSize(f *testing.F) { fuzzValue(f, newFileSize, "100M", "1TiB", "4097") }

func FuzzCount(f *testing.F) { fuzzValue(f, newCount, "1", "16777216", "007") }
