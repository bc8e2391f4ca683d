package probe

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/netns"
)

// Poll waits up to d, less if the ring fills up, and hands over all that is in it. The
// event is reused from call to call.
func (p *Probe) Poll(d time.Duration, handle func(*event.Event)) error {
	p.ring.SetDeadline(time.Now().Add(d))
	return p.read(os.ErrDeadlineExceeded, handle)
}

// Drain hands over what is left in the ring after Detach.
func (p *Probe) Drain(handle func(*event.Event)) error {
	if err := p.ring.Flush(); err != nil {
		return fmt.Errorf("draining the ring buffer: %w", err)
	}
	return p.read(ringbuf.ErrFlushed, handle)
}

func (p *Probe) read(until error, handle func(*event.Event)) error {
	var e event.Event
	for {
		err := p.ring.ReadInto(&p.record)
		if errors.Is(err, until) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the ring buffer: %w", err)
		}
		if err := decode(p.record.RawSample, &e); err != nil {
			return err
		}
		handle(&e)
	}
}

// Look hands over a Held event for every hold there is at this moment: of sockets with
// a descriptor anywhere, then of every other TCP and UDP socket in the namespaces
// given. A hold may come more than once. Sockets without a hold yet that should have
// one (older than the trace, or missed) get it here. Sockets whose port was asked for
// and not seen yet are told through the ring.
func (p *Probe) Look(namespaces []netns.NS, handle func(*event.Event)) error {
	if err := errors.Join(p.empty("listeners"), p.empty("subflows")); err != nil {
		return err
	}
	if err := p.iterate(lookFiles, handle); err != nil {
		return err
	}
	for _, ns := range namespaces {
		err := ns.Do(func() error { return p.lookInside(handle) })
		if err != nil && !errors.Is(err, netns.ErrGone) {
			return err
		}
	}
	return nil
}

// LookUDP is Look for the UDP sockets of one namespace.
func (p *Probe) LookUDP(ns netns.NS, handle func(*event.Event)) error {
	return ns.Do(func() error { return p.iterate(lookUDP, handle) })
}

// LookTCP is Look for the TCP sockets of one namespace.
func (p *Probe) LookTCP(ns netns.NS, handle func(*event.Event)) error {
	return ns.Do(func() error { return p.iterate(lookTCP, handle) })
}

func (p *Probe) lookInside(handle func(*event.Event)) error {
	for _, name := range []string{lookTCP, lookUDP} {
		if p.coll.Programs[name] == nil {
			continue
		}
		if err := p.iterate(name, handle); err != nil {
			return err
		}
	}
	return nil
}

func (p *Probe) iterate(program string, handle func(*event.Event)) error {
	it, err := link.AttachIter(link.IterOptions{Program: p.coll.Programs[program]})
	if err != nil {
		return fmt.Errorf("looking at sockets (%s): %w", program, err)
	}
	defer it.Close()
	out, err := it.Open()
	if err != nil {
		return fmt.Errorf("looking at sockets (%s): %w", program, err)
	}
	defer out.Close()
	if err := readEvents(out, handle); err != nil {
		return fmt.Errorf("looking at sockets (%s): %w", program, err)
	}
	return nil
}

// readEvents reads a row of struct event. An iterator that skipped a million sockets
// in a row answers EAGAIN (bpf_seq_read) and goes on when asked again.
func readEvents(r io.Reader, handle func(*event.Event)) error {
	var (
		e    event.Event
		buf  = make([]byte, 256*eventSize)
		have int
	)
	for {
		n, err := r.Read(buf[have:])
		have += n
		used := 0
		for ; have-used >= eventSize; used += eventSize {
			if err := decode(buf[used:have], &e); err != nil {
				return err
			}
			handle(&e)
		}
		have = copy(buf, buf[used:have])
		switch {
		case errors.Is(err, unix.EAGAIN):
		case errors.Is(err, io.EOF):
			if have != 0 {
				return fmt.Errorf("%d bytes left over: %w", have, errMalformed)
			}
			return nil
		case err != nil:
			return err
		}
	}
}

func (p *Probe) empty(name string) error {
	m := p.coll.Maps[name]
	key := make([]byte, m.KeySize())
	for {
		err := m.NextKey(nil, key)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err == nil {
			err = m.Delete(key)
		}
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("emptying %s: %w", name, err)
		}
	}
}
