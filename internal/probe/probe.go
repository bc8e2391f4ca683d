// Package probe is the only one that knows BPF: it loads and attaches the hooks of
// bpf/porttrace.bpf.c, reads their events, counts what they lost, and looks at the
// kernel's sockets with iterators.
package probe

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

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
	Hooks      Set    // "": Auto
}

// DefaultBufferSize is the ring's size where none is asked for. It takes the events of
// about 37,000 connections while the reader is kept from running.
const DefaultBufferSize = 16 << 20

// DefaultMaxHolds is how many holds are followed where no number is asked for. The
// kernel takes 16 bytes for each that could be, and some 400 for each that is.
const DefaultMaxHolds = 1 << 18

// Probe is the set of hooks at work. Its methods must not be called concurrently.
type Probe struct {
	options     Options
	set         Set
	refused     error // why Auto did not take the fentry set
	coll        *ebpf.Collection
	hooks       []hook
	links       []link.Link
	ring        *ringbuf.Reader
	waiter      *waiter
	record      ringbuf.Record
	event       event.Event // what record says
	missing     []string
	lastSeen    Losses
	before      counts // of second instances while the first were missing
	keptSkipped uint64 // when the hooks were detached
	audits      uint32
	tasks       *TaskWatch // nil: unwatched says why
	// unwatched is told when somebody wants to watch: most traces never do.
	unwatched error
}

// Open loads and attaches a set of hooks. Nothing stays attached on an error, which says
// what is missing and what to do (see Diagnose).
func Open(options Options) (*Probe, error) {
	if err := Preflight(options.Hooks); err != nil {
		return nil, err
	}
	raiseMemlock()
	if options.Hooks == Fentry || options.Hooks == Stable {
		p, err := open(options.Hooks, options)
		if err != nil {
			return nil, fmt.Errorf("the %s hook set does not work here: %w", options.Hooks, err)
		}
		return p, nil
	}
	p, refused := open(Fentry, options)
	if refused == nil {
		return p, nil
	}
	p, err := open(Stable, options)
	if err != nil {
		return nil, fmt.Errorf("neither hook set works here: fentry: %w; stable: %w", refused, err)
	}
	p.refused = refused
	return p, nil
}

func open(set Set, options Options) (_ *Probe, err error) {
	if set == Stable {
		if err := checkStable(); err != nil {
			return nil, err
		}
	}
	p := &Probe{options: options, set: set}
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
	if p.waiter, err = newWaiter(p.coll.Maps["events"]); err != nil {
		return nil, fmt.Errorf("opening the ring buffer to wait for it: %w", err)
	}
	if set == Stable {
		if err := p.setTick(); err != nil {
			return nil, err
		}
	}
	p.tasks, p.unwatched = loadTaskWatch() // first: from then on the ring fills
	if err := p.attach(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Probe) load() error {
	spec, err := compiled()
	if err != nil {
		return fmt.Errorf("reading the compiled hooks: %w", err)
	}
	p.choose(spec)
	if err := p.dropAbsent(spec); err != nil {
		return err
	}
	if err := errors.Join(p.aim(spec), p.configure(spec)); err != nil {
		return err
	}
	if p.coll, err = newCollection(spec); err != nil {
		return fmt.Errorf("loading the hooks: %w", explain(err))
	}
	return nil
}

// choose keeps the programs that these options need.
func (p *Probe) choose(spec *ebpf.CollectionSpec) {
	var protos proto
	if p.options.TCP {
		protos |= tcp
	}
	if p.options.UDP {
		protos |= udp
	}
	keep := map[string]bool{clocks: p.set == Stable}
	for _, i := range iterators {
		keep[i.program] = i.proto&protos != 0
	}
	for _, h := range p.set.hooks() {
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
	delete(spec.Maps, goneCgroups) // a watch has its own
}

func (p *Probe) configure(spec *ebpf.CollectionSpec) error {
	var vars bpfVariableSpecs
	if err := spec.Assign(&vars); err != nil {
		return fmt.Errorf("setting options: %w", err)
	}
	handler := uint64(0)
	if p.set == Stable && p.options.TCP {
		var err error
		if handler, err = twHandlerAddress(); err != nil {
			return err
		}
	}
	cookies, err := hasCookies()
	if err != nil {
		return err
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
	err = errors.Join(
		set(vars.Exact, p.set == Fentry),
		set(vars.ByAddress, p.set == Fentry && !cookies),
		set(vars.WantExplicit, p.options.Explicit),
		set(vars.WantStates, p.options.States),
		set(vars.WantTcp, p.options.TCP),
		set(vars.WantUdp, p.options.UDP),
		set(vars.WantIpv4, p.options.IPv4),
		set(vars.WantIpv6, p.options.IPv6),
		set(vars.OnlyNetns, p.options.NetNS),
		set(vars.FilterPorts, p.options.Ports != nil),
		set(vars.TwHandler, handler),
		set(vars.RingWake, uint64(size/ringWake)),
		set(vars.SeesRefusals, features.HaveProgramHelper(ebpf.CGroupSockAddr, asm.FnGetRetval) == nil),
	)
	if err == nil {
		err = askVersion1(&vars)
	}
	if err == nil && p.options.Ports != nil {
		err = set(vars.Ports, *p.options.Ports)
	}
	if err != nil {
		return fmt.Errorf("setting options: %w", err)
	}
	return nil
}

func (p *Probe) attach() error {
	root, done, err := p.set.cgroupRoot()
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
	return p.settle()
}

// Hooks names the set at work, as recordings do.
func (p *Probe) Hooks() Set { return p.set }

// Refused says why Auto did not take the fentry set; nil: it did, or was not asked to.
func (p *Probe) Refused() error { return p.refused }

// Missing says what this kernel does not let the hooks see, one phrase each.
func (p *Probe) Missing() []string { return p.missing }

// Detach takes every hook off; what they have told stays in the ring for Drain, and what
// they have missed for NewLosses.
func (p *Probe) Detach() error {
	errs := []error{p.keepSkipped()}
	for i := len(p.links) - 1; i >= 0; i-- {
		errs = append(errs, p.links[i].Close())
	}
	p.links = nil
	return errors.Join(errs...)
}

// Close detaches and frees everything. What is still in the ring is gone.
func (p *Probe) Close() error {
	errs := []error{p.Detach()}
	if p.tasks != nil {
		errs = append(errs, p.tasks.Close())
	}
	if p.waiter != nil {
		errs = append(errs, p.waiter.close())
		p.waiter = nil
	}
	if p.ring != nil {
		errs = append(errs, p.ring.Close())
	}
	if p.coll != nil {
		p.coll.Close()
	}
	return errors.Join(errs...)
}

// raiseMemlock raises RLIMIT_MEMLOCK, which kernels before 5.11 charge BPF maps to. Later
// ones do not, so where it may not be raised that matters only if a map is refused.
func raiseMemlock() {
	_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
}
