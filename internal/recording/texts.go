package recording

// What strings the decoder shares between records, at most.
const (
	maxTexts     = 1 << 14
	maxTextBytes = 8 << 20
	maxText      = 4 << 10 // a path's most
)

// golden is 2^64 by the golden ratio: the top bits of a product mix all others.
const golden = 0x9e3779b97f4a7c15

// textSlots is a power of two.
const textSlots = 1 << 10

// texts shares the strings of others between records: most are the same from line to
// line. The slots stand before the map because it is too slow for each string of each
// line.
type texts struct {
	slots [textSlots]string
	all   map[string]string
	bytes int // of all
}

// hashed is share for bytes whose hash is known.
func (t *texts) hashed(b []byte, hash uint64) string {
	slot := &t.slots[hash*golden/(1<<64/textSlots)]
	if *slot == string(b) {
		return *slot
	}
	text := t.share(b)
	if len(text) <= maxText {
		*slot = text
	}
	return text
}

// share returns b as a string.
func (t *texts) share(b []byte) string {
	if text, ok := t.all[string(b)]; ok || len(b) == 0 {
		return text
	}
	text := string(b)
	if len(text) > maxText {
		return text
	}
	if t.all == nil || len(t.all) >= maxTexts || t.bytes > maxTextBytes {
		t.all, t.bytes = make(map[string]string), 0
	}
	t.all[text] = text
	t.bytes += len(text)
	return text
}
