package probe

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"
)

// Poll waits up to d, less if the ring fills up, and hands over what is in it then;
// what is told meanwhile is left for the next call, so that a storm does not keep the
// caller from anything else. The event is reused from call to call.
func (p *Probe) Poll(d time.Duration, handle Handler) error {
	if d > 0 {
		if err := p.waiter.wait(d, p.isFilling); err != nil {
			return err
		}
	}
	p.ring.SetDeadline(atOnce)
	first, end := true, 0
	for {
		switch err := p.readOne(handle); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
		if first { // what was told after this one lies beyond it
			first, end = false, p.record.Remaining
		}
		if end -= recordSize; end < 0 {
			return nil
		}
	}
}

// atOnce is a deadline that has passed.
var atOnce = time.Unix(0, 0)

// isFilling says whether the hooks have called for a reader.
func (p *Probe) isFilling() bool { return p.ring.AvailableBytes() >= p.ring.BufferSize()/ringWake }

// ringWake is the part of the ring at which they do.
const ringWake = 4

// recordSize is what an event takes in the ring, its header included.
const recordSize = eventSize + 8

// Drain hands over what is left in the ring after Detach.
func (p *Probe) Drain(handle Handler) error {
	if err := p.ring.Flush(); err != nil {
		return fmt.Errorf("draining the ring buffer: %w", err)
	}
	p.ring.SetDeadline(time.Time{})
	for {
		switch err := p.readOne(handle); {
		case errors.Is(err, ringbuf.ErrFlushed):
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded): // of a Poll that had no need to wait
		case err != nil:
			return err
		}
	}
}

func (p *Probe) readOne(handle Handler) error {
	if err := p.ring.ReadInto(&p.record); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ringbuf.ErrFlushed) {
			return err
		}
		return fmt.Errorf("reading the ring buffer: %w", err)
	}
	if err := decode(p.record.RawSample, &p.event); err != nil {
		return err
	}
	handle(&p.event)
	return nil
}
