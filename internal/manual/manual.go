// Package manual writes porttrace(1), the manual page. Commands, flags and examples come
// from the command line's description, capabilities from their table; what else there is
// to know is in page.mdoc, which tests compare with the columns, records and fields that
// the program has.
package manual

import (
	_ "embed"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/template"
	"time"

	"porttrace/internal/commandline"
)

//go:embed page.mdoc
var page string

// written is the page's date for a build that does not know its own.
const written = "November 26, 2026"

// Write writes the page in the mdoc language.
func Write(w io.Writer, p *commandline.Program) error {
	t, err := template.New("page").Delims("<<", ">>").Funcs(template.FuncMap{
		"date": date, "upper": strings.ToUpper, "text": text, "sentences": sentences, "name": name,
		"setcap": setcap, "capabilities": capabilities, "lasting": lasting,
	}).Parse(page)
	if err == nil {
		err = t.Execute(w, p)
	}
	if err != nil {
		return fmt.Errorf("writing the manual page: %w", err)
	}
	return nil
}

// date returns an ISO date as mdoc wants it.
func date(iso string) string {
	t, err := time.Parse(time.DateOnly, iso)
	if err != nil {
		return written
	}
	return t.Format("January 2, 2006")
}

// text returns s as a line of text: nothing in it is a request, an escape or a hyphen
// where it is typed as a minus.
func text(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "~", `\(ti`, "^", `\(ha`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

var sentenceEnd = regexp.MustCompile(`([.?]) ([A-Z])`)

// sentences is text with a line for each sentence, as roff wants it.
func sentences(s string) string { return sentenceEnd.ReplaceAllString(text(s), "$1\n$2") }

// name returns a flag's names and value as the arguments of It.
func name(f commandline.Flag) string {
	var names []string
	for _, n := range f.Names() {
		names = append(names, "Fl "+strings.ReplaceAll(n[1:], "-", `\-`))
	}
	s := strings.Join(names, " , ")
	if f.Value != "" {
		s += " Ar " + text(f.Value)
	}
	return s
}
