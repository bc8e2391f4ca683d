package flagvalue

import (
	"math/bits"
	"slices"
	"testing"

	"github.com/spf13/pflag"
)

func newPorts() pflag.Value { return new(Ports) }

func TestPorts(t *testing.T) {
	runSetCases(t, newPorts, []setCase{
		{name: "one", set: []string{"60568"}, want: "60568"},
		{name: "range", set: []string{"60000-60999"}, want: "60000-60999"},
		{name: "range of one", set: []string{"7-7"}, want: "7"},
		{name: "ends", set: []string{"65535,1"}, want: "1,65535"},
		{name: "all", set: []string{"1-65535"}, want: "1-65535"},
		{name: "repeats add up", set: []string{"80", "443"}, want: "80,443"},
		{name: "merged", set: []string{"10-20,15-30,31,40"}, want: "10-31,40"},
		{name: "across words of the bitmap", set: []string{"63,64,65,127-128"}, want: "63-65,127-128"},
		{name: "sorted", set: []string{"9,3,7,3"}, want: "3,7,9"},
		{name: "zero", set: []string{"0"}, wantErr: "1 to 65535"},
		{name: "zero in a range", set: []string{"0-5"}, wantErr: "1 to 65535"},
		{name: "too large", set: []string{"65536"}, wantErr: "1 to 65535"},
		{name: "70000", set: []string{"70000"}, wantErr: "70000"},
		{name: "range too large", set: []string{"65000-65536"}, wantErr: "both ends"},
		{name: "reversed", set: []string{"5-1"}, wantErr: "write 1-5"},
		{name: "word", set: []string{"abc"}, wantErr: "1 to 65535"},
		{name: "negative", set: []string{"-5"}, wantErr: "1 to 65535"},
		{name: "open range", set: []string{"5-"}, wantErr: "both ends"},
		{name: "two dashes", set: []string{"1-2-3"}, wantErr: "both ends"},
		{name: "sign", set: []string{"+5"}, wantErr: "1 to 65535"},
		{name: "space", set: []string{"1, 2"}, wantErr: "1 to 65535"},
		{name: "empty", set: []string{""}, wantErr: "empty"},
		{name: "empty element", set: []string{"1,,2"}, wantErr: "element is empty"},
		{name: "comma at the end", set: []string{"1,"}, wantErr: "element is empty"},
		{name: "refused after accepted", set: []string{"80", "81,x"}, wantErr: `"x"`},
	})
}

func TestPortsSet(t *testing.T) {
	var p Ports
	if !p.Empty() || p.Count() != 0 || p.Ranges() != nil {
		t.Errorf("the zero value is not empty: %v", p.Ranges())
	}
	if err := p.Set("64-66,65535"); err != nil {
		t.Fatal(err)
	}
	if p.Empty() || p.Count() != 4 {
		t.Errorf("Count is %d, want 4", p.Count())
	}
	if want := [][2]uint16{{64, 66}, {65535, 65535}}; !slices.Equal(p.Ranges(), want) {
		t.Errorf("Ranges is %v, want %v", p.Ranges(), want)
	}
	bitmap := p.Bitmap()
	if bitmap[1] != 0b111 || bitmap[1023] != 1<<63 {
		t.Errorf("Bitmap has %b and %b", bitmap[1], bitmap[1023])
	}
	for port := range 1 << 16 {
		want := port >= 64 && port <= 66 || port == 65535
		if p.Contains(uint16(port)) != want {
			t.Errorf("Contains(%d) is %v", port, !want)
		}
	}
}

func FuzzPorts(f *testing.F) {
	fuzzValue(f, newPorts, "60568", "60000-60999", "1-65535", "5-1", "0", "65536", "63,64")
}

func FuzzPortsCount(f *testing.F) {
	f.Add("1-5,9")
	f.Fuzz(func(t *testing.T, s string) {
		var p Ports
		if p.Set(s) != nil {
			return
		}
		inRanges, inBitmap := 0, 0
		for _, r := range p.Ranges() {
			inRanges += int(r[1]) - int(r[0]) + 1
		}
		for _, word := range p.Bitmap() {
			inBitmap += bits.OnesCount64(word)
		}
		if n := p.Count(); n == 0 || n != inRanges || n != inBitmap || p.Contains(0) {
			t.Errorf("Set(%q): %d ports, %d in the ranges, %d in the bitmap", s, n, inRanges, inBitmap)
		}
	})
}
