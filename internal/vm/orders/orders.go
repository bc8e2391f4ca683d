// Package orders is what the host tells the guest's PID 1 to do, and the lines by which
// PID 1 tells the host how it went.
package orders

import (
	"fmt"
	"strings"
	"time"
)

// File is where the guest finds its orders, in JSON.
const File = "/orders.json"

// Orders are a guest's whole purpose.
type Orders struct {
	Modules  []string  // files of kernel modules, each after those it needs
	Programs []Program // run one after the other
}

// Program is a test binary in the guest.
type Program struct {
	Name string // tells its results apart
	Args []string
	Env  []string
}

// mark begins every line of PID 1's own. No test writes it.
const mark = "porttrace-vm: "

// Begin is the line before a program's output.
func Begin(name string) string { return mark + "begin " + name }

// End is the line after a program's output.
func End(name string, status int, took time.Duration) string {
	return fmt.Sprintf("%send %s %d %d", mark, name, status, took.Milliseconds())
}

// Trouble is a line about what went wrong in PID 1 itself or, with the kernel's own
// words, in the kernel.
func Trouble(what string) string { return mark + "trouble " + what }

// Done is the last line. A log without it is of a guest that died.
func Done() string { return mark + "done" }

// Line is a line of PID 1's.
type Line struct {
	Verb   string // begin, end, trouble, done
	Name   string // the program's; of trouble, what it is
	Status int
	Took   time.Duration // by the guest's clock
}

// Parse reads a line of the console, and says whether it is one of PID 1's. A program
// that did not end its last line does not hide it.
func Parse(line string) (l Line, rest string, ok bool) {
	rest, said, ok := strings.Cut(strings.TrimRight(line, "\r\n"), mark)
	if !ok {
		return Line{}, line, false
	}
	l.Verb, l.Name, _ = strings.Cut(said, " ")
	if l.Verb != "end" {
		return l, rest, true
	}
	var ms int64
	if n, _ := fmt.Sscanf(l.Name, "%s %d %d", &l.Name, &l.Status, &ms); n != 3 {
		return Line{}, line, false
	}
	l.Took = time.Duration(ms) * time.Millisecond
	return l, rest, true
}
