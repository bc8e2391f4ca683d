package flagvalue

import (
	"slices"
	"testing"

	"github.com/spf13/pflag"
)

func newColumns() pflag.Value {
	c := NewColumns([]string{"time", "port", "unit"})
	return &c
}

func TestColumns(t *testing.T) {
	runSetCases(t, newColumns, []setCase{
		{name: "in the order given", set: []string{"unit,time"}, want: "unit,time"},
		{name: "repeated", set: []string{"unit", "time"}, want: "unit,time"},
		{name: "beside the usual", set: []string{"+unit", "+time"}, want: "+unit,+time"},
		{name: "unknown", set: []string{"time,size"}, wantErr: `"size": there is no such column: want time, port, unit`},
		{name: "unknown beside the usual", set: []string{"+size"}, wantErr: `"+size": there is no such column`},
		{name: "capitals", set: []string{"TIME"}, wantErr: "no such column"},
		{name: "both ways", set: []string{"time,+unit"}, wantErr: "want a + before each name"},
		{name: "both ways, later", set: []string{"+time", "unit"}, wantErr: "want a + before each name"},
		{name: "twice", set: []string{"time,time"}, wantErr: "a column comes once"},
		{name: "twice, later", set: []string{"+time", "+time"}, wantErr: "a column comes once"},
		{name: "empty", set: []string{""}, wantErr: "empty"},
		{name: "only a plus", set: []string{"+"}, wantErr: "no such column"},
	})
	for list, want := range map[string][2][]string{
		"unit,time":   {{"unit", "time"}, nil},
		"+unit,+time": {nil, {"unit", "time"}},
	} {
		c := newColumns().(*Columns)
		if err := c.Set(list); err != nil || !slices.Equal(c.Only(), want[0]) || !slices.Equal(c.More(), want[1]) {
			t.Errorf("%s: %v, only %q, more %q", list, err, c.Only(), c.More())
		}
	}
}

// Whatever is listed is taken.
func TestColumnsAreListed(t *testing.T) {
	c := newColumns().(*Columns)
	words := c.Words()
	if want := []string{"time", "port", "unit", "+time", "+port", "+unit"}; !slices.Equal(words, want) {
		t.Errorf("got %q, want %q", words, want)
	}
	for _, word := range words {
		if err := newColumns().Set(word); err != nil {
			t.Error(err)
		}
	}
}

func FuzzColumns(f *testing.F) { fuzzValue(f, newColumns, "time,port", "+unit", "unit,+time", "+") }
