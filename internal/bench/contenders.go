package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"porttrace/internal/probe"
)

// hookSets is a list of porttrace's hook sets, as a flag.
type hookSets []string

func (h hookSets) String() string { return strings.Join(h, ",") }

// Set replaces the list.
func (h *hookSets) Set(text string) error {
	var list hookSets
	for word := range strings.SplitSeq(text, ",") {
		name := strings.TrimSpace(word)
		switch set := probe.Set(name); {
		case set != probe.Auto && set != probe.Fentry && set != probe.Stable:
			return fmt.Errorf("%q is no hook set: want auto, fentry or stable", name)
		case slices.Contains(list, name):
			return fmt.Errorf("%q is there twice", name)
		}
		list = append(list, name)
	}
	*h = list
	return nil
}

// contenders is what runs in each round, in this order: nothing attached comes first,
// the others are compared with it.
func (b *bench) contenders() ([]contender, error) {
	all := []contender{{name: "bare"}}
	if b.porttrace != "" {
		path, err := filepath.Abs(b.porttrace)
		if err == nil {
			_, err = os.Stat(path)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: -porttrace: %w", errUsage, err)
		}
		for _, set := range b.hooks {
			all = append(all, porttrace(path, set))
		}
	}
	for _, p := range peers {
		path, ok := p.find()
		if !ok {
			fmt.Fprintf(b.stderr, "bench: %s is not installed (Debian: libbpf-tools): going on without it\n", p.name)
			continue
		}
		c := p.contender(path)
		if err := b.try(c); b.ctx.Err() != nil {
			return nil, b.why(err)
		} else if err != nil {
			fmt.Fprintf(b.stderr, "bench: %v: going on without it\n", err)
			continue
		}
		all = append(all, c)
	}
	return all, nil
}

// try starts and stops a tracer: some cannot attach to every kernel.
func (b *bench) try(c contender) error {
	t, err := c.start(b.ctx, b.dir)
	if err != nil {
		return err
	}
	defer os.Remove(t.output)
	return t.stop()
}
