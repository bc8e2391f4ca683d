package recording

import (
	"encoding/binary"
	"time"

	"porttrace/internal/ktime"
)

// day is a date as it was last read: lines in a row tell of few days.
type day struct {
	head  uint64 // yyyy-mm-
	tail  uint16 // dd
	known bool
	began int64 // in seconds since 1970 UTC
}

// wallText is how a time stands in a line, with its quotes.
const wallText = `"2006-01-02T15:04:05.000000000Z"`

// wall reads a time with nine decimals in UTC, or null, which is 0.
func (f *fastLine) wall(w *ktime.Wall) bool {
	b := f.b[f.i:]
	if len(b) < len(wallText) || b[0] != '"' {
		return f.literal(`null`)
	}
	b = b[:len(wallText)]
	if b[11] != 'T' || b[20] != '.' || b[30] != 'Z' || b[31] != '"' {
		return false
	}
	began, ok := f.day(b[1:11])
	if !ok {
		return false
	}
	clock, ok := clock(binary.LittleEndian.Uint64(b[12:]))
	if !ok {
		return false
	}
	nanos, ok := eightDigits(binary.LittleEndian.Uint64(b[21:]))
	last := b[29] - '0'
	sec := began + clock
	if !ok || last > 9 || !inWall(sec) {
		return false
	}
	*w = ktime.Wall(sec*int64(time.Second) + int64(nanos)*10 + int64(last))
	f.i += len(wallText)
	return true
}

// clock reads hh:mm:ss, loaded as a little-endian word, as seconds.
func clock(w uint64) (int64, bool) {
	const zero = uint64('0')*(1+1<<8+1<<24+1<<32+1<<48+1<<56) + uint64(':')*(1<<16+1<<40)
	w ^= zero
	const colons = 0x0000ff0000ff0000
	if (w|(w+6*lowBits))&(0xf0*lowBits) != 0 || w&colons != 0 {
		return 0, false
	}
	h := int64(w&0xff*10 + w>>8&0xff)
	m := int64(w>>24&0xff*10 + w>>32&0xff)
	s := int64(w>>48&0xff*10 + w>>56)
	return h*3600 + m*60 + s, h < 24 && m < 60 && s < 60
}

// day returns when the date b began.
func (f *fastLine) day(b []byte) (int64, bool) {
	head, tail := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint16(b[8:])
	d := &f.days[b[9]%byte(len(f.days))]
	if d.head == head && d.tail == tail && d.known {
		return d.began, true
	}
	t, err := time.Parse(time.DateOnly, string(b))
	if err != nil {
		return 0, false
	}
	*d = day{head, tail, true, t.Unix()}
	return d.began, true
}
