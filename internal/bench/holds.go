package main

import (
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// growth is what a tracer took before the holds were made, while they live, and what the
// host takes while they live on without it.
type growth struct {
	empty, full, after memory
	peak               uint64 // of the tracer, its stopping included
	holdings
	said []string // by the tracer: its totals and what it was unhappy with
}

// lull is longer than porttrace leaves its ring alone, and than the kernel takes between
// two steps of freeing in the background.
const lull = time.Second

// memoryAtHolds measures what live holds cost porttrace in memory.
func (b *bench) memoryAtHolds(all []contender) error {
	for _, c := range all {
		if !c.own {
			continue
		}
		load := loadAverage()
		command := c.command
		c.command = func(string) *exec.Cmd { return command("none") }
		g, err := b.grow(c)
		if err != nil {
			return b.why(err)
		}
		b.holdsTable(c.name, load, g)
	}
	return nil
}

// grow has the holder make its holds while the tracer runs.
func (b *bench) grow(c contender) (g growth, err error) {
	holder, err := startSelf(b.options, "holder", syscall.CLONE_NEWNET)
	if err != nil {
		return g, err
	}
	defer func() {
		holder.stdin.Close()
		holder.cmd.Wait() // its exit status says nothing that told has not said
	}()
	if err := holder.told(&g.holdings); err != nil {
		return g, err
	}
	t, err := c.start(b.ctx, b.dir)
	if err != nil {
		return g, err
	}
	if err := b.fill(holder, t.cmd.Process.Pid, &g); err != nil {
		t.kill()
		return g, err
	}
	if err := t.stop(); err != nil {
		return g, err
	}
	g.peak, g.said = t.peak, t.said
	if err := b.settle(); err != nil {
		return g, err
	}
	if g.after, err = memoryOf(0); err != nil {
		return g, err
	}
	return g, holder.ask(&g.holdings) // how many are left
}

// fill looks before and after the holds are made.
func (b *bench) fill(holder *player, pid int, g *growth) (err error) {
	if err := b.settle(); err != nil {
		return err
	}
	if g.empty, err = memoryOf(pid); err != nil {
		return err
	}
	if err := holder.ask(&g.holdings); err != nil {
		return err
	}
	if err := b.settle(); err != nil {
		return err
	}
	g.full, err = memoryOf(pid)
	return err
}

// settle waits until the kernel's memory stays as it is: it frees in the background, and
// not at once.
func (b *bench) settle() error {
	const lulls, still = 3, 200 // unchanged: by less than one part in so many
	var last uint64
	deadline := time.Now().Add(patience)
	for calm := 0; calm < lulls && time.Now().Before(deadline); {
		m, err := memoryOf(0)
		if err != nil {
			return err
		}
		calm++
		if max(m.slab, last)-min(m.slab, last) > m.slab/still {
			last, calm = m.slab, 0
		}
		select {
		case <-b.ctx.Done():
			return b.ctx.Err()
		case <-time.After(lull):
		}
	}
	return nil // if others keep it moving: the figure is only a cross-check
}

func (b *bench) holdsTable(name, load string, g growth) {
	fmt.Fprintf(b.stdout, "\n%s live holds in TIME_WAIT (loopback TCP), %s, -q -o none, load average %s\n",
		thousands(uint64(g.Made)), name, load)
	w := columns(b.stdout)
	row(w, "MB", "at start", "with the holds", "bytes a hold")
	row(w, "resident", mega(g.empty.resident), mega(g.full.resident), each(g.empty.resident, g.full.resident, g.Made))
	row(w, "resident at its peak", "", mega(g.peak), each(g.empty.resident, g.peak, g.Made))
	row(w, "its BPF maps", mega(g.empty.maps), mega(g.full.maps), each(g.empty.maps, g.full.maps, g.Made))
	row(w, "kmalloc freed at its end", "", mega(g.full.slab-min(g.full.slab, g.after.slab)), each(g.after.slab, g.full.slab, g.Made))
	w.Flush()
	for _, line := range g.said {
		fmt.Fprintf(b.stdout, "  %s\n", line)
	}
	fmt.Fprintf(b.stdout, `
They took %.1f s to make; at the end %s of them were still in TIME_WAIT. The peak includes
stopping, with a last audit. What kmalloc got back while the holds lived on checks the
maps: entries as large as the kernel rounds them up to.
`, g.Took.Seconds(), thousands(uint64(g.TimeWait)))
}

func mega(bytes uint64) string { return fmt.Sprintf("%.1f", float64(bytes)/1e6) }

// each is the growth for one of n; memory that became less, as it may by chance, is
// negative growth.
func each(before, after uint64, n int) string {
	return fmt.Sprintf("%.0f", (float64(after)-float64(before))/float64(max(1, n)))
}
