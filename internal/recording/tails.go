package recording

import "porttrace/internal/lifetime"

// tailSlots bounds what is remembered: by one owner in each, of 5 KiB at the most.
const tailSlots = 1 << 8

// tails remembers how owners end in lines: what is known of their place, program and user
// is long, and the same from record to record. A nil one remembers nothing.
type tails [tailSlots]tail

type tail struct {
	place   lifetime.Interned[lifetime.Place]
	program lifetime.Interned[lifetime.Program]
	user    lifetime.Interned[string]
	text    []byte
}

// append writes an owner from its place on.
func (t *tails) append(dst []byte, o *lifetime.Owner) []byte {
	if t == nil {
		return appendTail(dst, o)
	}
	slot := &t[o.PID%tailSlots]
	if len(slot.text) == 0 || slot.place != o.Place || slot.program != o.Program || slot.user != o.User {
		slot.place, slot.program, slot.user = o.Place, o.Program, o.User
		slot.text = appendTail(slot.text[:0], o)
	}
	return append(dst, slot.text...)
}

func appendTail(dst []byte, o *lifetime.Owner) []byte {
	dst = appendPlace(dst, o.Place.Value())
	program := o.Program.Value()
	dst = appendIfKnown(dst, `,"exe":`, program.Exe)
	dst = appendIfKnown(dst, `,"cmdline":`, program.Cmdline)
	return appendIfKnown(dst, `,"user":`, o.User.Value())
}
