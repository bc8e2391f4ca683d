package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/template"

	"porttrace/internal/diagnose"
)

//go:embed assets
var assets embed.FS

// scripts run in this order: the library, then ours, each of which adds to the one object
// "page". uPlot (https://github.com/leeoniya/uPlot, MIT) is small, has no dependencies and
// draws what an occupancy chart needs; the port map is our own.
var scripts = []string{
	"uplot/uPlot.iife.min.js", "page.js", "format.js", "theme.js", "summary.js", "table.js",
	"occupancy.js", "portdata.js", "portdraw.js", "portmap.js", "portcursor.js", "port.js", "main.js",
}

var styles = []string{"uplot/uPlot.min.css", "page.css"}

// WriteHTML writes the page, with what a diagnosis found. Nothing can be added afterwards.
func (c *Collector) WriteHTML(w io.Writer, findings []diagnose.Finding) error {
	if n := len(c.recordings); n > 0 {
		c.leaveLive(c.recordings[n-1])
	}
	m, err := c.model(findings)
	if err != nil {
		return err
	}
	data, err := json.Marshal(m) // escapes <, >, &, U+2028 and U+2029
	if err != nil {
		return fmt.Errorf("laying out the page's data: %w", err)
	}
	frame, err := assets.ReadFile("assets/page.html")
	if err != nil {
		return err
	}
	// Not html/template: what it would escape, scripts and styles, are ours and must stay as
	// they are, for their hashes are in the policy. The data is safe as it is.
	t, err := template.New("page").Parse(string(frame))
	if err != nil {
		return err
	}
	parts, err := loadParts()
	if err != nil {
		return err
	}
	parts.Data = string(data)
	if err := t.Execute(w, parts); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// parts are what the frame is filled with.
type parts struct {
	Policy  string
	Styles  []string
	Scripts []string
	Data    string
}

func loadParts() (*parts, error) {
	p := &parts{}
	var err error
	if p.Styles, err = load(styles); err != nil {
		return nil, err
	}
	if p.Scripts, err = load(scripts); err != nil {
		return nil, err
	}
	p.Policy = fmt.Sprintf("default-src 'none'; script-src %s; style-src %s; base-uri 'none'; form-action 'none'; "+
		"require-trusted-types-for 'script'; trusted-types 'none'", hashes(p.Scripts), hashes(p.Styles))
	return p, nil
}

func load(names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		b, err := assets.ReadFile("assets/" + name)
		if err != nil {
			return nil, err
		}
		out = append(out, "\n"+strings.TrimSpace(string(b))+"\n")
	}
	return out, nil
}

func hashes(texts []string) string {
	var out []string
	for _, t := range texts {
		sum := sha256.Sum256([]byte(t))
		out = append(out, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	return strings.Join(out, " ")
}
