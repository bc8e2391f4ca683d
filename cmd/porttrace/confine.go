//go:build linux

package main

import (
	"porttrace/internal/confine"
	"porttrace/internal/privilege"
)

// confine gives up what was only needed to begin. There is no flag to go on without: a
// kernel that has BPF has what it takes, and what Landlock adds is said where it is
// missing.
func (t *tracer) confine() error {
	if t.file == nil {
		_, err := confine.Tracer(nil)
		return err
	}
	landlocked, err := confine.Tracer(t.file)
	if err == nil && !landlocked {
		t.notice("this kernel has no Landlock (Linux 5.13, and landlock in its lsm= list): the thread that makes the recording's files is not kept from making files elsewhere")
	}
	return err
}

// checkPrivileges says what will not be seen for want of a capability.
func (t *tracer) checkPrivileges() error {
	held, err := privilege.Effective()
	if unseen := held.Unseen(); err == nil && len(unseen) > 0 {
		t.notice("without %s is not seen: %s (porttrace doctor tells how to trace without root)", privilege.Names(unseen), privilege.Lacking(unseen))
	}
	return err
}
