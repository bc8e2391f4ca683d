package backlog

import "bytes"

// chunkSize is how many bytes go into one write at most: progress is seen by writes, and
// what one that does not return has written is unknown.
const chunkSize = 32 << 10

func (s *Stream) run() {
	defer close(s.done)
	for b := range s.q.Full {
		s.write(b)
		b.data, b.records = b.data[:0], 0
		s.q.Give(b)
		s.mu.Lock()
		s.handOverEarly()
		s.mu.Unlock()
		s.tell()
	}
}

// tell has whoever waits look again.
func (s *Stream) tell() {
	select {
	case s.moved <- struct{}{}:
	default:
	}
}

func (s *Stream) write(b *batch) {
	lines := count(b.data)
	for rest := b.data; len(rest) > 0; {
		n := chunk(rest)
		if s.failed() {
			return
		}
		_, err := s.w.Write(rest[:n])
		lines -= count(rest[:n])
		rest = rest[n:]
		s.wrote(b, n, min(b.records, lines), err)
		s.tell()
	}
}

func (s *Stream) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}

// wrote keeps the books of n bytes of b, which has records left.
func (s *Stream) wrote(b *batch, n int, records uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil { // given up meanwhile, and told
		return
	}
	if s.err = err; err != nil {
		return
	}
	s.bytes -= n
	s.left -= b.records - records
	b.records = records
}

// chunk returns how many bytes of whole lines, one at least, go into one write.
func chunk(lines []byte) int {
	if len(lines) <= chunkSize {
		return len(lines)
	}
	if n := bytes.LastIndexByte(lines[:chunkSize], '\n') + 1; n > 0 {
		return n
	}
	if n := bytes.IndexByte(lines, '\n') + 1; n > 0 {
		return n
	}
	return len(lines)
}

func count(lines []byte) uint64 { return uint64(bytes.Count(lines, []byte{'\n'})) }
