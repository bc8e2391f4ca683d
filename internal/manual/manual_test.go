package manual

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"porttrace/internal/budget"
	"porttrace/internal/commandline"
	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/terminal"
)

// between returns what is below a heading of the page, up to the next of its kind.
func between(t *testing.T, macro, title string) string {
	t.Helper()
	_, text, found := strings.Cut(page, "\n"+macro+" "+title+"\n")
	if !found {
		t.Fatalf("the page has no %s %s", macro, title)
	}
	text, _, _ = strings.Cut(text, "\n.Sh ")
	text, _, _ = strings.Cut(text, "\n"+macro+" ")
	return text
}

// marked returns the words that a macro marks, also in a line that It begins.
func marked(text, macro string) []string {
	var words []string
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimSpace(line), ".It ")
		list, found := strings.CutPrefix(strings.TrimPrefix(line, "."), macro+" ")
		if !found {
			continue
		}
		for word := range strings.SplitSeq(list, " , ") {
			words = append(words, strings.Trim(word, " ,.;:"))
		}
	}
	return words
}

func wantAll(t *testing.T, what string, documented, inSource []string) {
	t.Helper()
	if len(inSource) == 0 {
		t.Errorf("%s: the source was misread: it has none", what)
	}
	for _, word := range inSource {
		if !slices.Contains(documented, word) {
			t.Errorf("%s: page.mdoc does not tell of %s", what, word)
		}
	}
	for _, word := range documented {
		if !slices.Contains(inSource, word) {
			t.Errorf("%s: page.mdoc tells of %s, which is no more", what, word)
		}
	}
}

func TestColumns(t *testing.T) {
	table, _, _ := strings.Cut(between(t, ".Sh", "TABLE"), "\n.Ss")
	wantAll(t, "columns", marked(table, "Sy"), terminal.Titles())
	wantAll(t, "columns of reports", marked(between(t, ".Ss", "Tables of porttrace report"), "Sy"), reportColumns(t))
}

func TestRecordsAndFields(t *testing.T) {
	types, fields := recorded(t)
	records := between(t, ".Ss", "Records")
	wantAll(t, "record types", marked(records, "Cm"), types)
	all := marked(between(t, ".Sh", "RECORDING"), "Va")
	wantAll(t, "fields of records", all, fields)
}

// Each field is told of where its record is.
func TestFieldsByRecord(t *testing.T) {
	file, err := os.ReadFile("../recording/testdata/example.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	records := between(t, ".Ss", "Records")
	ofHolds := slices.Concat(marked(between(t, ".Ss", "Fields of a hold"), "Va"),
		marked(between(t, ".Ss", "Fields of owners"), "Va"), []string{"type", "time"})
	for line := range bytes.Lines(file) {
		var record map[string]any
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatal(err)
		}
		kind := record["type"].(string)
		_, block, found := strings.Cut(records, ".It Cm "+kind+"\n")
		if !found {
			t.Errorf("page.mdoc has no record %s", kind)
			continue
		}
		block, _, _ = strings.Cut(block, "\n.It Cm ")
		for field := range record {
			if !slices.Contains(marked(block, "Va"), field) && !slices.Contains(ofHolds, field) {
				t.Errorf("page.mdoc does not tell of %s of the record %s", field, kind)
			}
		}
	}
}

func TestObjects(t *testing.T) {
	_, fields := recorded(t)
	tags := jsonTags(t, "../report", "../check")
	documented := marked(between(t, ".Sh", "OBJECTS"), "Va")
	for _, tag := range tags {
		if !slices.Contains(documented, tag) && !slices.Contains(fields, tag) {
			t.Errorf("page.mdoc does not tell of %s in JSON of reports or checks", tag)
		}
	}
	for _, word := range documented {
		if !slices.Contains(tags, word) && !slices.Contains(maps, word) {
			t.Errorf("page.mdoc tells of %s, which is in no JSON", word)
		}
	}
}

// maps are keys that are no tags.
var maps = []string{"share"}

func TestFindings(t *testing.T) {
	wantAll(t, "findings", marked(between(t, ".Sh", "FINDINGS"), "Cm"), findingIDs(t))
}

// Values of fields that have few.
func TestValues(t *testing.T) {
	var values []string
	for p := event.Connect; p <= event.Explicit; p++ {
		values = append(values, p.String())
	}
	for s := event.State(0); s < event.States; s++ {
		values = append(values, s.String())
	}
	for r := event.Closed; r <= event.Vanished; r++ {
		values = append(values, r.String())
	}
	for _, c := range []lifetime.Cause{lifetime.RangeExhausted, lifetime.TupleInUse, lifetime.AddressNotLocal,
		lifetime.RangeReserved, lifetime.SocketRange, lifetime.CauseUnknown} {
		values = append(values, string(c))
	}
	values = append(values, budget.Events.Names()...)
	recording := between(t, ".Sh", "RECORDING")
	for _, v := range values {
		if !regexp.MustCompile(`(^|[^a-z_])` + regexp.QuoteMeta(v) + `($|[^a-z_])`).MatchString(recording) {
			t.Errorf("page.mdoc does not tell of %s", v)
		}
	}
}

// What roff would take as its own is shown as it is.
func TestText(t *testing.T) {
	var page bytes.Buffer
	err := Write(&page, &commandline.Program{Name: "porttrace", Version: "v1", Date: "2025-11-24", Commands: []commandline.Command{
		{About: `.SH \fBtold\fP. Then --this 'n` + "` ~^.", Groups: []commandline.Group{{Title: "Flags", Flags: []commandline.Flag{
			{Long: "a-b", Short: "a", Value: "X|Y-Z", Default: "x-1", Help: "-1 is. .9 Is"}}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".Dd November 24, 2025\n", "\n\\&.SH \\efBtold\\efP.\nThen \\-\\-this \\(aqn\\(ga \\(ti\\(ha.\n",
		"\n.It Fl a , Fl \\-a\\-b Ar X|Y\\-Z\n\\-1 is. .9 Is\n(default x\\-1)\n"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q: %s", want, page.String())
		}
	}
}
