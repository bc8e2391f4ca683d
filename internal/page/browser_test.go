package page

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"porttrace/internal/testutil/need"
)

// patience is how long a browser on a busy machine may take for all of a test.
const patience = 2 * time.Minute

// browser is a real Chromium with a page open.
type browser struct {
	*testing.T
	ctx context.Context
	url string

	mu       sync.Mutex
	console  []string
	requests []string
}

// openPage opens a page from a file, as a double click does, and waits until it is drawn.
func openPage(t *testing.T, html string) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	need.That(t, err == nil, "chromium (Debian package chromium)")
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(html), 0o644); err != nil {
		t.Fatal(err)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(1280, 900))
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // Chromium has none for root
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{T: t, ctx: ctx, url: "file://" + file}
	b.do(chromedp.Navigate("about:blank"))
	b.watch()
	b.do(chromedp.Navigate(b.url), chromedp.WaitReady(chromedp.CSS("html[data-ready=true]")))
	return b
}

// watch notes what the console says and what is asked for.
func (b *browser) watch() {
	b.Helper()
	messages := chromedp.Console(b.ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.console = append(b.console, string(m.Type)+": "+m.Text)
			b.mu.Unlock()
		}
	}()
	err := chromedp.Listen(b.ctx, func(ev any) {
		if r, ok := ev.(*network.EventRequestWillBeSent); ok {
			b.mu.Lock()
			b.requests = append(b.requests, r.Request.URL)
			b.mu.Unlock()
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, network.Enable, network.EnableParams{}); err != nil {
		b.Fatal(err)
	}
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.Fatalf("%v; the console says: %q", err, b.console)
	}
}

// ask evaluates an expression in the page.
func ask[T any](b *browser, expression string) T {
	b.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return value
}

func (b *browser) scheme(name string) {
	b.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
	if err != nil {
		b.Fatal(err)
	}
}

// isQuiet wants nothing on the console, and nothing asked for but the page itself.
func (b *browser) isQuiet() {
	b.Helper()
	// What the page said before is told before this.
	ask[bool](b, "console.log('the end'), true")
	const last = "log: the end"
	said := func() []string {
		b.mu.Lock()
		defer b.mu.Unlock()
		return slices.Clone(b.console)
	}
	for !slices.Contains(said(), last) {
		select {
		case <-b.ctx.Done():
			b.Fatal("the console was not told of")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if got := strings.Join(said(), "\n"); got != last {
		b.Errorf("the console says:\n%s", got)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, url := range b.requests {
		if url != b.url {
			b.Errorf("the page asked for %s", url)
		}
	}
	if len(b.requests) == 0 {
		b.Error("no request was seen, not even that for the page")
	}
}
