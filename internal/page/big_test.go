package page

import (
	"os"
	"testing"
	"time"
)

// A million lifetimes must give a page of a few megabytes. PORTTRACE_PAGE=FILE keeps it, to be
// looked at.
func TestMillionLifetimes(t *testing.T) {
	c := New(Options{})
	w := newWorkload(c)
	incident(w, 1_000_003)
	began := time.Now()
	html := render(t, c)
	t.Logf("%d lifetimes, %d bytes, written in %v", w.made, len(html), time.Since(began))
	if len(html) > 5<<20 {
		t.Errorf("the page has %d bytes", len(html))
	}
	if name := os.Getenv("PORTTRACE_PAGE"); name != "" {
		if err := os.WriteFile(name, []byte(html), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
