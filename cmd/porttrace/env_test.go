//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// signalEnv returns an env whose signals come from the returned function, which does not
// wait for a reader, as signal.Notify does not.
func signalEnv() (e *env, send func(os.Signal), stopped *bool) {
	var to chan<- os.Signal
	stopped = new(bool)
	e, _, _ = testEnv()
	e.notify = func(c chan<- os.Signal) func() {
		to = c
		return func() { *stopped = true }
	}
	return e, func(sig os.Signal) {
		select {
		case to <- sig:
		default:
		}
	}, stopped
}

func TestFirstSignalEndsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, send, stopped := signalEnv()
		tail := errors.New("the tail is written")
		err := e.interruptible(func(ctx context.Context, _ <-chan struct{}) error {
			if ctx.Err() != nil {
				t.Error("the context has ended before any signal")
			}
			send(syscall.SIGTERM)
			<-ctx.Done()
			time.Sleep(time.Hour)
			return tail
		})
		if err != tail || !*stopped {
			t.Errorf("interruptible returned %v; notify stopped: %v", err, *stopped)
		}
	})
}

func TestSecondSignalReturnsAtOnce(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		synctest.Test(t, func(t *testing.T) {
			e, send, _ := signalEnv()
			release := make(chan struct{})
			defer close(release)
			began := time.Now()
			err := e.interruptible(func(context.Context, <-chan struct{}) error {
				send(syscall.SIGINT)
				time.Sleep(sameSignal)
				send(sig)
				<-release
				return nil
			})
			if got, want := exitStatus(err), 128+int(sig); got != want {
				t.Errorf("%v: exit status %d (%v), want %d", sig, got, err, want)
			}
			if waited := time.Since(began); waited != sameSignal {
				t.Errorf("%v: returned after %v", sig, waited)
			}
		})
	}
}

// timeout(1) signals its child twice in a row: that is one wish.
func TestDoubledSignalIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, send, _ := signalEnv()
		err := e.interruptible(func(ctx context.Context, _ <-chan struct{}) error {
			send(syscall.SIGTERM)
			<-ctx.Done()
			send(syscall.SIGTERM)
			time.Sleep(sameSignal - 1)
			send(syscall.SIGTERM)
			time.Sleep(time.Second)
			return nil
		})
		if err != nil {
			t.Errorf("interruptible returned %v", err)
		}
	})
}

func TestHostEnv(t *testing.T) {
	e := hostEnv()
	received := make(chan os.Signal, 1)
	stop := e.notify(received)
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case sig := <-received:
		if sig != syscall.SIGTERM {
			t.Errorf("received %v", sig)
		}
	case <-time.After(time.Minute):
		t.Error("SIGTERM did not arrive")
	}
	if e.euid() != os.Geteuid() || e.now().IsZero() {
		t.Error("euid or now is not the host's")
	}
	if width, ok := e.terminal(); ok && width <= 0 {
		t.Errorf("a terminal is %d columns wide", width)
	}
}
