package report

import (
	"strings"

	"porttrace/internal/terminal"
)

// grid is a table of text: the first row is its header. Columns are as wide as their
// widest cell; nothing is cut.
type grid struct {
	left []bool // of columns: aligned left, as words are; else right, as numbers are
	rows [][]string
}

// newGrid takes the titles of the columns; those of words begin with "<".
func newGrid(titles ...string) *grid {
	g := &grid{}
	for i, title := range titles {
		word, left := strings.CutPrefix(title, "<")
		titles[i] = word
		g.left = append(g.left, left)
	}
	g.rows = [][]string{titles}
	return g
}

func (g *grid) add(cells ...string) { g.rows = append(g.rows, cells) }

// write appends the rows, indented. A column without any text is left out.
func (g *grid) write(b *strings.Builder) {
	widths := make([]int, len(g.left))
	for _, row := range g.rows[1:] {
		for i, cell := range row {
			widths[i] = max(widths[i], terminal.Columns(cell))
		}
	}
	for i := range widths {
		if widths[i] > 0 {
			widths[i] = max(widths[i], terminal.Columns(g.rows[0][i]))
		}
	}
	for _, row := range g.rows {
		var line strings.Builder
		line.WriteByte(' ')
		for i, cell := range row {
			if widths[i] == 0 {
				continue
			}
			pad := strings.Repeat(" ", widths[i]-terminal.Columns(cell))
			if line.WriteByte(' '); g.left[i] {
				line.WriteString(cell + pad)
			} else {
				line.WriteString(pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}
