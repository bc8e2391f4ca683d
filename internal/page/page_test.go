package page

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"porttrace/internal/diagnose"
	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/pool"
)

var findings = []diagnose.Finding{
	{
		ID: diagnose.Exhausted, Severity: diagnose.Critical, Title: "no port is left for connections to 10.0.0.5:5432",
		Because:  []diagnose.ID{diagnose.TimeWaitChurn},
		Pool:     &pool.Key{NetNS: namespace, Proto: event.TCP, Src: source, Dst: database},
		Evidence: []diagnose.Number{{Name: "failures", Value: 35476}, {Name: "in_use", Value: 28232}, {Name: "usable", Value: 28232}},
	},
	{
		ID: diagnose.TimeWaitChurn, Severity: diagnose.Warning, Title: "short connections to 10.0.0.5:5432 fill the pool with TIME_WAIT",
		Culprit:  &lifetime.Owner{PID: 4242, Comm: "pgproxy", Place: lifetime.Intern(lifetime.Place{Cgroup: "/system.slice/pgproxy.service"})},
		Evidence: []diagnose.Number{{Name: "time_wait_percent", Value: 96.2}, {Name: "mean_held_ns", Value: 61.2e9}},
		Remedy:   "keep connections and use them again",
	},
	{ID: diagnose.LeakEstablished, Severity: diagnose.Info, Title: hostile, Culprit: &lifetime.Owner{PID: 1, Comm: hostile}, Remedy: hostile},
}

func render(t *testing.T, c *Collector) string {
	t.Helper()
	var out strings.Builder
	if err := c.WriteHTML(&out, findings); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A host in trouble in real Chromium: what is drawn, sorted, reached by keys, and inert.
func TestPageInChromium(t *testing.T) {
	c := New(Options{Version: hostile, Filter: hostile})
	incident(newWorkload(c), 40_009)
	html := render(t, c)
	if n := strings.Count(html, "<img"); n != 0 {
		t.Errorf("the page's text has %d images", n)
	}
	b := openPage(t, html)
	t.Run("map", func(*testing.T) { mapIsDrawn(b) })
	t.Run("sort", func(*testing.T) { tablesSortAndFilter(b) })
	t.Run("chart", func(*testing.T) { poolsAreCharted(b) })
	t.Run("theme", func(*testing.T) { themesDiffer(b) })
	t.Run("keys", func(*testing.T) { keysReachThePorts(b) })
	t.Run("mouse", func(*testing.T) { mouseReachesThePorts(b) })
	t.Run("hostile", func(*testing.T) { namesAreInert(b) })
	b.isQuiet()
	policyHolds(b) // last: it is told on the console
}

// drawn counts the colours of the port map's canvas without its margins.
const drawn = `(() => {
	const view = page.portMap, scale = devicePixelRatio;
	const copy = new OffscreenCanvas(view.canvas.width, view.canvas.height).getContext("2d", { willReadFrequently: true });
	copy.drawImage(view.canvas, 0, 0);
	const pixels = copy.getImageData(view.left * scale, 0, view.inner.width * scale, view.inner.height * scale).data;
	const colours = new Set();
	for (let i = 0; i < pixels.length; i += 4) colours.add(pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2]);
	return colours.size;
})()`

func mapIsDrawn(b *browser) {
	if n := ask[int](b, drawn); n < 10 {
		b.Errorf("the port map has %d colours by state", n)
	}
	if got := ask[string](b, `[...document.querySelectorAll("#map .legend button")].map((e) => e.textContent).join()`); got != "SYN_SENT,ESTABLISHED,TIME_WAIT" {
		b.Errorf("its legend has the states %s", got)
	}
	ask[bool](b, `page.portMap.choose("mode", "owner"), true`)
	if got := ask[string](b, `[...document.querySelectorAll("#map .legend button")].map((e) => e.textContent).join()`); got != "pgproxy (pgproxy.service),worker (3f9ac2d1e07b),scanner" {
		b.Errorf("its legend has the owners %s", got)
	}
	if n := ask[int](b, drawn); n < 10 {
		b.Errorf("the port map has %d colours by owner", n)
	}
	// The scanner's first hold: of the first port, in SYN_SENT for 20 s, five bins.
	const scanned = `[0, 1, 2, 3, 4].map((bin) => page.ports.at(page.portMap.map, 32768, bin)).map((c) => page.data.state_names[c?.state] + " " + page.ports.ownerName(c?.owner ?? 0)).join()`
	if got := ask[string](b, scanned); strings.Count(got, "SYN_SENT scanner") < 4 {
		b.Errorf("the first port: %s", got)
	}
	ask[bool](b, `page.portMap.choose("map", "1"), true`)
	if got := ask[string](b, `page.portMap.map.proto`); got != "udp" {
		b.Errorf("the second map is of %s", got)
	}
	ask[bool](b, `page.portMap.choose("map", "0"), page.portMap.choose("mode", "state"), true`)
}

const firstColumn = `[...document.querySelectorAll("#tables .table:first-child tbody tr td:first-child")].map((e) => e.textContent)`

func tablesSortAndFilter(b *browser) {
	first := func() string { return strings.Join(ask[[]string](b, firstColumn), "|") }
	byTime := first()
	if !strings.HasPrefix(byTime, "pgproxy|worker|scanner|") {
		b.Errorf("processes by port time: %s", byTime)
	}
	b.do(chromedp.Click(chromedp.CSS("#tables .table:first-child thead th:first-child button")))
	if got := first(); !strings.HasSuffix(got, "pgproxy|scanner|worker") {
		b.Errorf("processes by name: %s", got)
	}
	if got := ask[string](b, `document.querySelector("#tables thead th").getAttribute("aria-sort")`); got != "ascending" {
		b.Errorf("a reader is told that the sort is %s", got)
	}
	b.do(chromedp.Click(chromedp.CSS("#tables .table:first-child thead th:first-child button")))
	if got := first(); !strings.HasPrefix(got, "worker|scanner|pgproxy") {
		b.Errorf("processes by name, downwards: %s", got)
	}
	const destinations = "#tables .table:nth-child(2)"
	b.do(chromedp.SendKeys(chromedp.CSS(destinations+" input"), "10.0.0."))
	if got := ask[string](b, `document.querySelector("`+destinations+` tbody").textContent`); !strings.HasPrefix(got, "10.0.0.55432") || strings.Contains(got, "192.0.2") {
		b.Errorf("destinations with 10.0.0.: %s", got)
	}
	if got := ask[string](b, `document.querySelector("`+destinations+` .told").textContent`); !strings.HasPrefix(got, "2 of ") {
		b.Errorf("of the filter it says: %s", got)
	}
}

func poolsAreCharted(b *browser) {
	if n := ask[int](b, `document.querySelectorAll("#pools .uplot canvas").length`); n != 1 {
		b.Errorf("%d charts", n)
	}
	label := `document.querySelector("#pools .chart").getAttribute("aria-label")`
	if got := ask[string](b, label); !strings.HasPrefix(got, "tcp 10.0.0.1 → 10.0.0.5:5432: at most 1,") {
		b.Errorf("the first chart: %s", got)
	}
	b.do(chromedp.Click(chromedp.CSS("#pools tbody tr:nth-child(2) button")))
	if got := ask[string](b, label); !strings.HasPrefix(got, "tcp 10.0.0.1 → 10.0.0.9:6379: at most 40 held of 28,232") {
		b.Errorf("the second chart: %s", got)
	}
}

func themesDiffer(b *browser) {
	back := func() string { return ask[string](b, `getComputedStyle(document.body).backgroundColor`) }
	b.scheme("light")
	light := back()
	b.scheme("dark")
	dark := back()
	b.do(chromedp.Click(chromedp.CSS("#theme")))
	chosen := back()
	if light == dark || chosen != light {
		b.Errorf("light %s, dark %s, light chosen in the dark %s", light, dark, chosen)
	}
}

func keysReachThePorts(b *browser) {
	b.do(chromedp.Focus(chromedp.CSS("#map canvas")), chromedp.KeyEvent(kb.ArrowUp), chromedp.KeyEvent(kb.ArrowUp))
	said := ask[string](b, `document.getElementById("map-says").textContent`)
	if !strings.HasPrefix(said, "port 46") {
		b.Errorf("the cursor says: %s", said)
	}
	b.do(chromedp.KeyEvent(kb.Enter))
	if got := ask[string](b, `document.getElementById("port-view").textContent`); !strings.Contains(got, "in the range") {
		b.Errorf("Enter shows: %s", got)
	}
	if got := ask[string](b, `document.activeElement.id`); got != "port" {
		b.Errorf("after Enter the focus is on %q", got)
	}
	if n := ask[int](b, `[...document.querySelectorAll("button, input, select")].filter((e) => e.tabIndex < 0).length`); n != 0 {
		b.Errorf("%d controls are out of the keyboard's reach", n)
	}
}

func mouseReachesThePorts(b *browser) {
	b.do(chromedp.Click(chromedp.CSS("#map canvas")))
	const at = `(([x, y]) => { const r = page.portMap.canvas.getBoundingClientRect(); return [r.left + x * r.width, r.top + y * r.height] })`
	middle := ask[[]float64](b, at+`([0.5, 0.5])`)
	b.do(chromedp.MouseEvent(chromedp.MouseMoved, middle[0], middle[1]))
	if got := ask[string](b, `document.querySelector("#map .tip").textContent`); !strings.HasPrefix(got, "port 47") {
		b.Errorf("under the mouse: %s", got)
	}
	if got, want := ask[string](b, `document.querySelector("#port-view p").textContent`), "Port "+ask[string](b, `String(page.portMap.order[page.portMap.cursor.row])`); !strings.HasPrefix(got, want) {
		b.Errorf("a click shows %q, want %s", got, want)
	}
	const window = `JSON.stringify(page.portMap.window)`
	whole := ask[string](b, window)
	from, to := ask[[]float64](b, at+`([0.3, 0.3])`), ask[[]float64](b, at+`([0.6, 0.6])`)
	b.do(chromedp.MouseEvent(chromedp.MousePressed, from[0], from[1], chromedp.ButtonLeft),
		chromedp.MouseEvent(chromedp.MouseMoved, to[0], to[1], chromedp.ButtonLeft),
		chromedp.MouseEvent(chromedp.MouseReleased, to[0], to[1], chromedp.ButtonLeft))
	if got := ask[int](b, `page.portMap.window.row1 - page.portMap.window.row0`); got < 8000 || got > 10000 {
		b.Errorf("dragging over a third of the map leaves %d rows", got)
	}
	b.do(chromedp.Focus(chromedp.CSS("#map canvas")), chromedp.KeyEvent("0"))
	if got := ask[string](b, window); got != whole {
		b.Errorf("0 leaves %s, want %s", got, whole)
	}
}

func namesAreInert(b *browser) {
	if n := ask[int](b, `document.images.length + document.querySelectorAll("[onerror]").length`); n != 0 {
		b.Errorf("names made %d elements", n)
	}
	if n, want := ask[int](b, `document.scripts.length`), len(scripts)+1; n != want {
		b.Errorf("%d scripts, want %d", n, want)
	}
	shown := strings.ReplaceAll(hostile, "\u2028", `\u2028`)
	if got := ask[[]string](b, `[...document.querySelectorAll(".finding.info h3, .finding.info .remedy")].map((e) => e.lastChild.textContent)`); len(got) != 2 || got[0] != shown || got[1] != shown {
		b.Errorf("the finding shows %q, want %q", got, shown)
	}
	if got := strings.Join(ask[[]string](b, firstColumn), "|"); !strings.Contains(got, shown) {
		b.Errorf("the table shows %q, want %q in it", got, shown)
	}
}

func policyHolds(b *browser) {
	for what, attempt := range map[string]string{
		"markup": `(() => { try { document.body.innerHTML += "<b>x</b>"; return true } catch { return false } })()`,
		"script": `(() => { try { document.body.setAttribute("onclick", "page.hacked = true") } catch {} document.body.click(); return page.hacked === true })()`,
		"style":  `(() => { const s = document.createElement("style"); s.textContent = "body { opacity: 0.5 }"; document.head.append(s); return getComputedStyle(document.body).opacity === "0.5" })()`,
	} {
		if ask[bool](b, attempt) {
			b.Errorf("the policy lets %s through", what)
		}
	}
	loads := `new Promise((done) => { document.addEventListener("securitypolicyviolation", () => done(true), { once: true });
		const image = new Image(); image.onload = () => done(false); image.src = "data:image/gif;base64,R0lGODlhAQABAAAAACw="; })`
	if refused, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](loads, chromedp.EvalAwaitPromise)); err != nil || !refused {
		b.Errorf("the policy refuses an image: %v, %v", refused, err)
	}
}

// A page of nothing, and of one hold, must open as well.
func TestSmallPagesInChromium(t *testing.T) {
	t.Run("nothing", func(t *testing.T) {
		b := openPage(t, render(t, New(Options{})))
		if got := ask[string](b, `document.getElementById("map").textContent`); got != "No port was held." {
			t.Errorf("the map says: %s", got)
		}
		b.isQuiet()
	})
	t.Run("one hold", func(t *testing.T) {
		c := New(Options{})
		w := newWorkload(c)
		w.hold(lifetime.Hold{Proto: event.TCP, Port: 8080, Src: source, Path: event.Explicit, Owner: lifetime.Owner{PID: 7, Comm: "one"}},
			swept, event.Closed, map[event.State]time.Duration{event.Listening: 23 * time.Second})
		w.advance(began + ktime.Wall(time.Minute))
		w.finish()
		b := openPage(t, render(t, c))
		if got := ask[[]int](b, `[...page.portMap.order]`); len(got) != 1 || got[0] != 8080 {
			t.Errorf("the rows are %v", got)
		}
		b.do(chromedp.SendKeys(chromedp.CSS("#port-view input"), "8080"+kb.Enter))
		if got := ask[string](b, `document.querySelector("#port-view tbody").textContent`); !strings.HasPrefix(got, "10:00:00.00023.0 s") || !strings.HasSuffix(got, "LISTEN 23.0 sclosed") {
			t.Errorf("the port's holds: %s", got)
		}
		b.isQuiet()
	})
}
