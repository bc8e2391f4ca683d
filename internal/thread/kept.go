package thread

// Kept is a thread of its own that runs one function after another, until End. What one
// of them changes in the thread, the next ones find.
type Kept struct {
	work chan func()
	gone chan struct{}
}

// Keep starts a thread.
func Keep() *Kept {
	k := &Kept{make(chan func()), make(chan struct{})}
	go spend(func() {
		for f := range k.work {
			f()
		}
	}, k.gone)
	return k
}

// Do runs f on the thread and waits for it. It is for any goroutine but those of f.
func (k *Kept) Do(f func()) {
	done := make(chan struct{})
	k.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

// End ends the thread, once.
func (k *Kept) End() {
	close(k.work)
	<-k.gone
}
