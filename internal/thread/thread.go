// Package thread runs code that may leave its thread changed.
package thread

import (
	"os"
	"runtime"
	"syscall"
)

// Spend runs f on a thread of its own and waits for it. The thread ends with f, and with
// it the namespaces that f made and nothing else holds. Goroutines that f starts run on
// other threads.
func Spend(f func()) {
	done := make(chan struct{})
	go spend(f, done)
	<-done
}

func spend(f func(), done chan<- struct{}) {
	runtime.LockOSThread()
	if syscall.Gettid() == os.Getpid() {
		// In /proc the first thread stands for the process. While it is locked here,
		// another goroutine gets another thread.
		other := make(chan struct{})
		go spend(f, other)
		<-other
		runtime.UnlockOSThread()
		close(done)
		return
	}
	defer close(done)
	f()
}
