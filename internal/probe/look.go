package probe

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/netns"
)

// Handler takes what a look finds. The event is reused from call to call.
type Handler func(*event.Event)

// lookMode says what a look is for (enum look_mode).
type lookMode uint32

const (
	lookFirst lookMode = iota
	lookStates
	lookAudit
)

func (p *Probe) setMode(mode lookMode) error {
	if err := p.coll.Variables["look_mode"].Set(uint32(mode)); err != nil {
		return fmt.Errorf("looking at sockets: %w", err)
	}
	return nil
}

// Snapshot takes in what is held at this moment and no hook has told: sockets with a
// descriptor anywhere, then every other one in the namespaces given. Each is handed over
// as a Found event. between is as in Audit: what the ring tells comes after what is found.
func (p *Probe) Snapshot(namespaces []netns.NS, handle Handler, between func() error) error {
	if err := p.setMode(lookFirst); err != nil {
		return err
	}
	return p.look(namespaces, handle, between)
}

// Audited is what an audit leaves to the next one.
type Audited struct {
	Suspects uint64 // what it may have to correct: a hook may be about to tell
	Refused  uint64 // holds that there is no room for (Options.MaxHolds)
}

// Audit compares what is followed with the kernel's own tables and with the sockets
// themselves. It hands over a Held event for each hold that is followed and still has its
// port, and a Found event for each that no hook told of and that the audit before found
// already; it drops what two audits find gone. between is called every millisecond or
// so, that the ring does not fill meanwhile.
func (p *Probe) Audit(namespaces []netns.NS, handle Handler, between func() error) (a Audited, err error) {
	p.audits++
	err = errors.Join(
		p.setMode(lookAudit),
		p.coll.Variables["audit_number"].Set(p.audits),
		p.coll.Variables["suspects"].Set(uint64(0)),
		p.coll.Variables["refusals"].Set(uint64(0)),
	)
	if err == nil {
		err = p.look(namespaces, handle, between)
	}
	if err == nil {
		err = p.RollCall(handle, between)
	}
	if err == nil {
		err = errors.Join(p.coll.Variables["suspects"].Get(&a.Suspects), p.coll.Variables["refusals"].Get(&a.Refused))
	}
	return a, err
}

// LookUDP hands over a Held event for each hold that is followed, of the UDP sockets of
// one namespace. Those whose port was asked for and not seen yet are told by the ring.
func (p *Probe) LookUDP(ns netns.NS, handle Handler) error {
	return errors.Join(p.setMode(lookStates), p.iterate(&ns, lookUDP, handle, nil))
}

// LookTCP is LookUDP for TCP.
func (p *Probe) LookTCP(ns netns.NS, handle Handler) error {
	return errors.Join(p.setMode(lookStates), p.iterate(&ns, lookTCP, handle, nil))
}

// RollCall hands over a Held event for every hold that is followed and still has its
// port, with the states that changed unseen. between is as in Audit.
func (p *Probe) RollCall(handle Handler, between func() error) error {
	for _, it := range []iterator{callSockets, callTimeWaits} {
		if err := p.iterate(nil, it, handle, between); err != nil {
			return err
		}
	}
	return nil
}

func (p *Probe) look(namespaces []netns.NS, handle Handler, between func() error) error {
	if err := empty(p.coll.Maps["subflows"]); err != nil {
		return fmt.Errorf("looking at sockets: %w", err)
	}
	if err := p.iterate(nil, lookFiles, handle, between); err != nil {
		return err
	}
	for i := range namespaces {
		for _, it := range []iterator{lookTCP, lookUDP} {
			err := p.iterate(&namespaces[i], it, handle, between)
			if err != nil && !netns.IsOutOfReach(err) {
				return err
			}
		}
	}
	return nil
}

// iterate runs an iterator if it is loaded, on what the namespace has; nil: our own.
func (p *Probe) iterate(ns *netns.NS, it iterator, handle Handler, between func() error) error {
	program := p.coll.Programs[it.program]
	if program == nil {
		return nil
	}
	out, err := it.open(program, p.coll.Maps[it.over], ns)
	if err != nil {
		return fmt.Errorf("looking at sockets (%s): %w", it.program, err)
	}
	defer out.Close()
	if err := readEvents(out, handle, between); err != nil {
		return fmt.Errorf("looking at sockets (%s): %w", it.program, err)
	}
	return nil
}

// open begins an iteration. What it goes through is that of the namespace it is opened in.
func (it iterator) open(program *ebpf.Program, over *ebpf.Map, ns *netns.NS) (out io.ReadCloser, err error) {
	l, err := link.AttachIter(link.IterOptions{Program: program, Map: over})
	if err != nil {
		return nil, err
	}
	defer l.Close() // what is open goes on without
	open := func() (err error) {
		out, err = l.Open()
		return err
	}
	if ns == nil {
		err = open()
	} else {
		err = ns.Do(open)
	}
	return out, err
}

// batch is room for what one read of an iterator returns.
type batch struct {
	bytes [256 * eventSize]byte
	event event.Event
}

// batches are several, as a table may be read while another one's entries are handed over.
var batches = sync.Pool{New: func() any { return new(batch) }}

// readEvents reads a row of struct event. An iterator that skipped a million sockets
// in a row answers EAGAIN (bpf_seq_read) and goes on when asked again.
func readEvents(r io.Reader, handle Handler, between func() error) error {
	b := batches.Get().(*batch)
	defer batches.Put(b)
	e, buf, have := &b.event, b.bytes[:], 0
	for {
		n, err := r.Read(buf[have:])
		have += n
		used := 0
		for ; have-used >= eventSize; used += eventSize {
			if err := decode(buf[used:have], e); err != nil {
				return err
			}
			handle(e)
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
		if between != nil {
			if err := between(); err != nil {
				return err
			}
		}
	}
}

// empty takes every entry out of a map.
func empty(m *ebpf.Map) error {
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
			return fmt.Errorf("emptying a map: %w", err)
		}
	}
}
