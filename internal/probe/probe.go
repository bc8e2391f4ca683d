// Package probe is the only one that knows BPF: it loads and attaches the hooks of
// bpf/porttrace.bpf.c, reads their events, counts what they lost, and looks at the
// kernel's sockets with iterators.
package probe

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"porttrace/internal/cgroup"
	"porttrace/internal/event"
)

// Options say what the kernel side tells. What they leave out costs next to nothing.
type Options struct {
	Ports      *[1024]uint64 // one bit a port; nil: all
	Explicit   bool          // explicit binds are holds too
	States     bool          // an event for each state entered
	TCP, UDP   bool
	IPv4, IPv6 bool
	NetNS      uint32 // inode; 0: all
	BufferSize int    // of the ring, a power of two; 0: DefaultBufferSize
	MaxHolds   int    // followed at a time, on sockets and in TIME_WAIT each; 0: DefaultMaxHolds
}

// DefaultBufferSize is the ring's size where none is asked for. It takes the events of
// about 37,000 connections while the reader is kept from running.
const DefaultBufferSize = 16 << 20

// DefaultMaxHolds is how many holds are followed where no number is asked for. The
// kernel takes 16 bytes for each that could be, and some 400 for each that is.
const DefaultMaxHolds = 1 << 18

// Probe is the set of hooks at work. Its methods must not be called concurrently.
type Probe struct {
	options  Options
	coll     *ebpf.Collection
	hooks    []hook
	links    []link.Link
	ring     *ringbuf.Reader
	record   ringbuf.Record
	event    event.Event // what record says
	missing  []string
	lastSeen Losses
	audits   uint32
}

// Open loads and attaches the stable set. Nothing stays attached on an error, which
// says what is missing and what to do (see Diagnose).
func Open(options Options) (_ *Probe, err error) {
	if err := Preflight(); err != nil {
		return nil, err
	}
	p := &Probe{options: options}
	defer func() {
		if err != nil {
			_ = p.Close()
		}
	}()
	if err := p.load(); err != nil {
		return nil, err
	}
	if p.ring, err = ringbuf.NewReader(p.coll.Maps["events"]); err != nil {
		return nil, fmt.Errorf("opening the ring buffer: %w", err)
	}
	if err := p.setTick(); err != nil {
		return nil, err
	}
	if err := p.attach(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Probe) load() error {
	spec, err := loadBpf()
	if err != nil {
		return fmt.Errorf("reading the compiled hooks: %w", err)
	}
	if err := p.choose(spec); err != nil {
		return err
	}
	if err := p.configure(spec); err != nil {
		return err
	}
	for {
		p.coll, err = ebpf.NewCollection(spec)
		if err == nil {
			return nil
		}
		if !p.dropOptional(spec, err) {
			return fmt.Errorf("loading the hooks: %w", explain(err))
		}
	}
}

// choose keeps the programs that these options need.
func (p *Probe) choose(spec *ebpf.CollectionSpec) error {
	var protos proto
	if p.options.TCP {
		protos |= tcp
	}
	if p.options.UDP {
		protos |= udp
	}
	keep := map[string]bool{clocks: true}
	for _, i := range iterators {
		keep[i.program] = i.proto&protos != 0
	}
	for _, h := range stableHooks {
		if h.isWanted(protos) {
			p.hooks = append(p.hooks, h)
			keep[h.program] = true
		}
	}
	for name := range spec.Programs {
		if !keep[name] {
			delete(spec.Programs, name)
		}
	}
	return nil
}

// dropOptional takes an optional hook out that this kernel has no tracepoint for.
func (p *Probe) dropOptional(spec *ebpf.CollectionSpec, cause error) bool {
	if !errors.Is(cause, ebpf.ErrNotSupported) && !errors.Is(cause, os.ErrNotExist) {
		return false
	}
	for i, h := range p.hooks {
		if h.optional {
			p.hooks = append(p.hooks[:i], p.hooks[i+1:]...)
			p.missing = append(p.missing, h.what)
			delete(spec.Programs, h.program)
			return true
		}
	}
	return false
}

func (p *Probe) configure(spec *ebpf.CollectionSpec) error {
	var vars bpfVariableSpecs
	if err := spec.Assign(&vars); err != nil {
		return fmt.Errorf("setting options: %w", err)
	}
	handler := uint64(0)
	if p.options.TCP {
		var err error
		if handler, err = symbolAddress(twHandler); err != nil {
			return err
		}
	}
	size := p.options.BufferSize
	if size == 0 {
		size = DefaultBufferSize
	}
	spec.Maps["events"].MaxEntries = uint32(size)
	holds := p.options.MaxHolds
	if holds == 0 {
		holds = DefaultMaxHolds
	}
	spec.Maps["sockets"].MaxEntries = uint32(holds)
	spec.Maps["time_waits"].MaxEntries = uint32(holds)

	set := func(v *ebpf.VariableSpec, value any) error { return v.Set(value) }
	err := errors.Join(
		set(vars.WantExplicit, p.options.Explicit),
		set(vars.WantStates, p.options.States),
		set(vars.WantTcp, p.options.TCP),
		set(vars.WantUdp, p.options.UDP),
		set(vars.WantIpv4, p.options.IPv4),
		set(vars.WantIpv6, p.options.IPv6),
		set(vars.OnlyNetns, p.options.NetNS),
		set(vars.FilterPorts, p.options.Ports != nil),
		set(vars.TwHandler, handler),
		set(vars.RingWake, uint64(size/4)),
	)
	if err == nil && p.options.Ports != nil {
		err = set(vars.Ports, *p.options.Ports)
	}
	if err != nil {
		return fmt.Errorf("setting options: %w", err)
	}
	return nil
}

// setTick measures the length of a jiffy and tells it to the hooks. CONFIG_HZ is one
// of a few values, so a tenth of a second is enough to know which.
func (p *Probe) setTick() error {
	before, err := p.sampleClocks()
	if err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond)
	after, err := p.sampleClocks()
	if err != nil {
		return err
	}
	tick := tickLength(after.jiffies-before.jiffies, time.Duration(after.boot-before.boot))
	if err := p.coll.Variables["tick_ns"].Set(uint64(tick)); err != nil {
		return fmt.Errorf("measuring the tick: %w", err)
	}
	return nil
}

type clockSample struct{ jiffies, boot uint64 }

func (p *Probe) sampleClocks() (clockSample, error) {
	var s clockSample
	if _, err := p.coll.Programs[clocks].Run(&ebpf.RunOptions{}); err != nil {
		return s, fmt.Errorf("measuring the tick: %w", err)
	}
	err := errors.Join(
		p.coll.Variables["clock_jiffies"].Get(&s.jiffies),
		p.coll.Variables["clock_boot"].Get(&s.boot),
	)
	if err != nil {
		return s, fmt.Errorf("measuring the tick: %w", err)
	}
	return s, nil
}

// tickLength returns the length of a jiffy for the CONFIG_HZ nearest to what was seen.
func tickLength(jiffies uint64, elapsed time.Duration) time.Duration {
	seen := float64(jiffies) / elapsed.Seconds()
	best := 100.0
	for _, hz := range []float64{250, 300, 1000} {
		if abs(seen-hz)/hz < abs(seen-best)/best {
			best = hz
		}
	}
	return time.Duration(float64(time.Second) / best)
}

func abs(f float64) float64 { return max(f, -f) }

func (p *Probe) attach() error {
	root, done, err := cgroup.OpenRoot()
	if err != nil {
		return err
	}
	defer done()
	for _, h := range p.hooks {
		l, err := h.attach(p.coll.Programs[h.program], root)
		if err != nil {
			return err
		}
		p.links = append(p.links, l)
	}
	return p.pair()
}

// Hooks names the set at work, as recordings do.
func (p *Probe) Hooks() string { return "stable" }

// Missing says what this kernel does not let the hooks see, one phrase each.
func (p *Probe) Missing() []string { return p.missing }

// Detach takes every hook off; what they have told stays in the ring for Drain.
func (p *Probe) Detach() error {
	var errs []error
	for i := len(p.links) - 1; i >= 0; i-- {
		errs = append(errs, p.links[i].Close())
	}
	p.links = nil
	return errors.Join(errs...)
}

// Close detaches and frees everything. What is still in the ring is gone.
func (p *Probe) Close() error {
	errs := []error{p.Detach()}
	if p.ring != nil {
		errs = append(errs, p.ring.Close())
	}
	if p.coll != nil {
		p.coll.Close()
	}
	return errors.Join(errs...)
}

// RemoveMemlock raises RLIMIT_MEMLOCK, which kernels before 5.11 charge BPF maps to.
func RemoveMemlock() error {
	limit := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return fmt.Errorf("raising the limit of locked memory: %w", err)
	}
	return nil
}
