package thread_test

import (
	"os"
	"sync"
	"syscall"
	"testing"

	"porttrace/internal/thread"
)

func TestSpendIsNeverTheFirstThread(t *testing.T) {
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := map[int]bool{}
	started := make(chan struct{})
	for range 50 {
		all.Go(func() {
			thread.Spend(func() {
				<-started // all at once, so that no two can be one after the other
				mu.Lock()
				defer mu.Unlock()
				if id := syscall.Gettid(); id == os.Getpid() || seen[id] {
					t.Errorf("on thread %d of process %d, where another ran: %t", id, os.Getpid(), seen[id])
				} else {
					seen[id] = true
				}
			})
		})
	}
	close(started)
	all.Wait()
	if len(seen) != 50 {
		t.Errorf("%d threads, want 50", len(seen))
	}
}

func TestKept(t *testing.T) {
	kept := thread.Keep()
	var id int
	kept.Do(func() { id = syscall.Gettid() })
	if id == os.Getpid() {
		t.Error("it is the first thread")
	}
	var all sync.WaitGroup
	runs := 0
	for range 50 {
		all.Go(func() {
			kept.Do(func() {
				runs++ // one after another
				if got := syscall.Gettid(); got != id {
					t.Errorf("thread %d, want %d", got, id)
				}
			})
		})
	}
	all.Wait()
	if runs != 50 {
		t.Errorf("%d runs, want 50", runs)
	}
	kept.End()
}
