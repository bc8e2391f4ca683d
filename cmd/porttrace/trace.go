//go:build linux

package main

import "context"

const traceAbout = `porttrace traces every ephemeral port from the moment the kernel assigns it to
	the moment it returns to the pool: which process held it, in which states, and why it
	ended. It shows the lifetimes as they end and keeps them in a recording.`

// commandLine returns the flag set that fills t.
func (t *traceFlags) commandLine() *flagSet {
	flags := newFlagSet("", traceAbout,
		example{"", "every ephemeral port of this host, with a recording"},
		example{"--port 60568", "who holds this port now, and each assign and release of it"},
		example{"--comm curl --dst 10.0.0.0/8:443", "what one program connects to in one network"},
		example{"--duration 10m -q -o ports.jsonl.zst", "ten minutes into a compressed recording, no table"},
		example{"-o none --format json", "JSON lines for another program, no file"})
	t.bind(flags)
	return flags
}

func trace(e *env) error {
	var set traceFlags
	if err := set.commandLine().parse(e); err != nil {
		return err
	}
	if set.version {
		return writeLast(e, versionLine())
	}
	config, err := set.config(e.now())
	if err != nil {
		return usageError{err}
	}
	return e.interruptible(func(ctx context.Context, renew <-chan struct{}) error {
		said := patient(e.stderr)
		defer said.Close()
		of := *e
		of.stderr = said
		return runTrace(ctx, renew, &of, config)
	})
}
