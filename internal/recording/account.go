package recording

import (
	"bytes"
	"errors"
	"time"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// tally is what a frame holds: records, and how many others it tells to be missing.
type tally struct {
	records, told uint64
	moved         time.Duration // by its clock records
}

// put writes lines, or counts them. In a hole it tries to write only with retry.
func (k *keeper) put(lines []byte, retry bool) {
	mending := k.hole.err != nil
	if k.removed || mending && !(retry && k.mend()) {
		k.hole.drop(lines)
		return
	}
	told := k.hole.told
	for cut := false; ; {
		n, err := k.putSome(lines)
		lines = lines[n:]
		switch {
		case err == nil && (len(lines) > 0 || k.unbegun()):
			continue
		case err == nil:
			k.hole.err = nil
			if mending || k.hole.told > told {
				k.notices.End(k.hole.missing())
			}
			return
		case errors.Is(err, errCut) && !cut: // once: there may be no end of it
			cut = true
			k.handle(err)
			continue
		}
		if errors.Is(err, errCut) {
			k.fail(err)
		}
		k.handle(err)
		k.hole.drop(lines)
		return
	}
}

// unbegun tells that the part lacks its start record.
func (k *keeper) unbegun() bool { return k.start != nil && k.part.size == 0 }

// putSome writes what is to come before lines, and as many of these as the part takes.
func (k *keeper) putSome(lines []byte) (n int, err error) {
	if k.unbegun() {
		if _, err := k.write(k.startLine(), tally{}); err != nil {
			return 0, err
		}
	}
	if lost := k.hole.open; lost > 0 {
		k.hole.tell(lost)
		if _, err := k.write(k.lostLine(lost), tally{told: lost}); err != nil {
			return 0, err
		}
	}
	if owed := k.hole.owed; owed != 0 {
		if _, err := k.write(k.clockLine(owed), tally{moved: owed}); err != nil {
			return 0, err
		}
		k.hole.owed = 0
	}
	if len(lines) == 0 {
		return 0, nil
	}
	lines = lines[:k.room(lines)]
	by, clocks := moved(lines)
	n, err = k.write(lines, tally{records: count(lines) - clocks, moved: by})
	if err == nil && k.full() {
		err = k.rotate()
	}
	return n, err
}

// write appends whole lines and keeps the books: t, which comes with them, counts as
// written. If it fails, what t tells is untold, and so is the frame that goes with it.
func (k *keeper) write(lines []byte, t tally) (kept int, err error) {
	kept, err = k.part.append(lines, false)
	if err != nil {
		k.hole.untell(t.told)
		by, _ := moved(lines[:kept])
		k.moved += by
		k.dropFrame(err)
		return kept, err
	}
	k.moved += t.moved
	k.pending.moved += t.moved
	k.pending.records += t.records
	k.pending.told += t.told
	if k.part.whole() {
		k.pending = tally{}
	}
	return kept, nil
}

// endFrame ends the present frame, if there is one.
func (k *keeper) endFrame() error {
	if k.removed || k.part.whole() {
		return nil
	}
	_, err := k.part.append(nil, true)
	if err != nil {
		k.dropFrame(err)
	}
	k.pending = tally{}
	return err
}

// dropFrame accounts for the present frame, which is lost with err.
func (k *keeper) dropFrame(err error) {
	// What was in a file that someone removed or cut had reached it.
	if !errors.Is(err, errCut) && !errors.Is(err, errRemoved) {
		k.hole.untell(k.pending.told)
		k.hole.open += k.pending.records
		k.hole.owed += k.pending.moved
		k.moved -= k.pending.moved
	}
	k.pending = tally{}
}

// mend makes the file one that can be written again, so far as that depends on it.
func (k *keeper) mend() bool {
	err := k.part.repair()
	k.handle(err)
	return err == nil
}

// handle does what an error of the part asks for.
func (k *keeper) handle(err error) {
	switch {
	case err == nil:
	case errors.Is(err, errRemoved):
		// Writing on would only fill the disk.
		k.removed = true
		k.opts.Notice("recording %q was removed: what is recorded goes nowhere; SIGHUP makes it anew", k.path)
	case errors.Is(err, errCut):
		// Whoever emptied the file has copied it, one hopes: what follows is the next part.
		if k.part.size == 0 {
			k.number++
		}
	default:
		k.fail(err)
	}
}

// fail begins a hole, or goes on with one.
func (k *keeper) fail(err error) {
	k.hole.err = err
	k.notices.Begin(time.Now(), "writing recording %q: %v: tracing goes on, records are being dropped %s", k.path, err, until(err))
}

// startLine returns the start record of the present part.
func (k *keeper) startLine() []byte {
	r, info := *k.start, *k.start.Start
	info.Part = k.number
	if k.number > 1 {
		r.Time = k.now()
		if info.Uptime != 0 {
			info.Uptime = ktime.Now()
		}
	} else if k.opts.RotateSize <= 0 {
		info.Part = 0
	}
	r.Start = &info
	k.line = AppendRecord(k.line[:0], &r)
	if len(k.line) > maxLine { // by the number, or a longer time
		info.Pools = nil
		k.line = AppendRecord(k.line[:0], &r)
	}
	return k.line
}

func (k *keeper) lostLine(n uint64) []byte {
	k.line = appendMissing(k.line[:0], k.now(), n)
	return k.line
}

// appendMissing tells that n records are missing.
func appendMissing(dst []byte, at ktime.Wall, n uint64) []byte {
	return AppendRecord(dst, &lifetime.Record{
		Type: lifetime.Lost,
		Time: at,
		Lost: &lifetime.LostInfo{Events: n, Where: "recording", Reconciled: -1},
	})
}

// count returns how many records lines hold.
func count(lines []byte) uint64 { return uint64(bytes.Count(lines, []byte{'\n'})) }
