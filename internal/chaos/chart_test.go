package chaos

import (
	"fmt"
	"strings"
	"time"
)

// The chart's sizes in pixels.
const (
	chartWidth  = 720
	panelHeight = 90
	margin      = 24
)

// chart draws each measure over time, one below the other, from 0 to its most, in an SVG
// that needs nothing else.
func (s *sampler) chart() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n",
		chartWidth+2*margin, len(measures)*(panelHeight+margin)+margin)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i := range measures {
		s.panel(&b, i, margin+i*(panelHeight+margin))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (s *sampler) panel(b *strings.Builder, of, top int) {
	if len(s.samples) == 0 {
		return
	}
	m, most := measures[of], 0.0
	for _, p := range s.samples {
		most = max(most, p.values[of])
	}
	span := s.samples[len(s.samples)-1].at.Seconds()
	var points strings.Builder
	for _, p := range s.samples {
		x := margin + chartWidth*p.at.Seconds()/max(span, 1)
		y := float64(top+panelHeight) - panelHeight*p.values[of]/max(most, 1)
		fmt.Fprintf(&points, "%.1f,%.1f ", x, y)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", margin, top-6,
		fmt.Sprintf("%s, 0 to %.4g%s, over %v", m.name, most, strings.TrimRight(" "+m.unit, " "), time.Duration(span*float64(time.Second)).Round(time.Second)))
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#ccc"/>`+"\n", margin, top, chartWidth, panelHeight)
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="#06c"/>`+"\n", strings.TrimSpace(points.String()))
}
