package main

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"porttrace/internal/probe"
)

// judge has all contenders watch ports whose lifetimes are known, side by side, and
// prints what each told of them. bad says that porttrace was not exact.
func (b *bench) judge(all []contender, n int) (bad bool, err error) {
	fmt.Fprintf(b.stderr, "%d ports in each of %d ways over IPv4 and IPv6, TIME_WAIT's minute included\n", n, len(ways))
	o := b.options
	o.known, o.mix = n, "all"
	place, err := enter(b.ctx, o, 1)
	if err != nil {
		return false, err
	}
	defer place.leave()
	tracers, err := b.startAll(all)
	defer func() {
		for _, t := range tracers {
			os.Remove(t.output)
		}
	}()
	var uses []use
	if err == nil {
		err = place.ask(&uses)
	}
	if err != nil {
		for _, t := range tracers {
			t.kill()
		}
		return false, err
	}
	var scores []score
	for i, t := range tracers {
		if err := t.stop(); err != nil {
			for _, later := range tracers[i+1:] {
				later.kill()
			}
			return false, err
		}
		s, err := t.scoreFor(uses, place.ground)
		if err != nil {
			return false, err
		}
		bad = bad || s.own && !s.exact(madeOf(uses))
		scores = append(scores, s)
	}
	b.judgement(n, uses, scores)
	return bad, nil
}

func (b *bench) startAll(all []contender) (tracers []*tracer, err error) {
	for _, c := range all {
		if c.command == nil {
			continue
		}
		t, err := c.start(b.ctx, b.dir)
		if err != nil {
			return tracers, err
		}
		tracers = append(tracers, t)
	}
	return tracers, nil
}

// scoreFor compares what the tracer wrote with what was done.
func (t *tracer) scoreFor(uses []use, g ground) (s score, err error) {
	var told []sighting
	err = t.read(func(output *os.File) error {
		return t.sightings(output, g, func(s sighting, _ int) { told = append(told, s) })
	})
	s = mark(uses, told, g.Clients[0])
	s.name, s.own = t.name, t.own
	if err == nil && t.own {
		err = t.read(func(output *os.File) error {
			set, err := hooksOf(output)
			s.stable = set == probe.Stable
			return err
		})
	}
	return s, err
}

// judgement prints a table with a row per way, and one with a row per contender.
func (b *bench) judgement(n int, uses []use, scores []score) {
	made := madeOf(uses)
	fmt.Fprintf(b.stdout, "\n%s ports in each of %d ways, over IPv4 and as many over IPv6: assigns/releases told\n",
		thousands(uint64(n)), len(ways))
	w := columns(b.stdout)
	head := []string{"", "ports"}
	for _, s := range scores {
		head = append(head, s.name)
	}
	row(w, head...)
	for i, way := range ways {
		cells := []string{way.name, strconv.Itoa(made[i])}
		for _, s := range scores {
			cells = append(cells, fmt.Sprintf("%d/%d", s.begun[i], s.ended[i]))
		}
		row(w, cells...)
	}
	w.Flush()
	fmt.Fprintln(b.stdout)
	totals(b.stdout, sum(made), scores)
	fmt.Fprint(b.stdout, `
All watched the same ports at the same time. "wrong" are those told that were not there,
told twice, or told of another process. The last column is the median, for the ports in
TIME_WAIT, of how long after the true release the tracer has them end.
`)
}

func totals(out io.Writer, made int, scores []score) {
	w := columns(out)
	row(w, "", "assigns", "of", "releases", "of", "wrong", "end of TIME_WAIT, s")
	for _, s := range scores {
		off := "not told"
		if len(s.off) > 0 {
			off = fmt.Sprintf("%+.1f", median(s.off))
		}
		row(w, s.name, strconv.Itoa(sum(s.begun)), strconv.Itoa(made), strconv.Itoa(sum(s.ended)), strconv.Itoa(made),
			strconv.Itoa(s.wrong), off)
	}
	w.Flush()
}
