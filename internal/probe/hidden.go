package probe

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// switched is the program that watches the scheduler, switchedTasks what it fills.
const (
	switched      = "switched"
	switchedTasks = "switched_tasks"
)

// Task is a thread of some process.
type Task struct {
	TID  uint32
	Comm string
}

// Names lists tasks for people.
func Names(tasks []Task) string {
	names := make([]string, len(tasks))
	for i, t := range tasks {
		names[i] = fmt.Sprintf("%s/%d", t.Comm, t.TID)
	}
	return strings.Join(names, ", ")
}

// TaskWatch looks for tasks that the kernel hides from tracing programs: what a softirq
// does while one of them is current, no hook sees, and no miss is counted. Ordinary
// kernels have none; one with protected processes may.
type TaskWatch struct {
	coll *ebpf.Collection
	link link.Link // nil: not watching
}

// loadTaskWatch loads what watches the scheduler: a confined tracer loads nothing.
func loadTaskWatch() (*TaskWatch, error) {
	coll, err := loadOnly(Fentry, switched)
	if err != nil {
		return nil, fmt.Errorf("watching the scheduler: %w", explain(err))
	}
	return &TaskWatch{coll: coll}, nil
}

// WatchTasks begins to watch the scheduler. It is the costliest place to hook: stop after
// a second or so. There is one watch at a time.
func (p *Probe) WatchTasks() (*TaskWatch, error) {
	if p.unwatched != nil {
		return nil, p.unwatched
	}
	return p.tasks, p.tasks.begin()
}

func (w *TaskWatch) begin() error {
	if err := empty(w.coll.Maps[switchedTasks]); err != nil {
		return fmt.Errorf("watching the scheduler: %w", err)
	}
	l, err := link.AttachTracing(link.TracingOptions{Program: w.coll.Programs[switched]})
	if err != nil {
		return fmt.Errorf("watching the scheduler: %w", explain(err))
	}
	w.link = l
	return nil
}

// Hidden returns the tasks that were switched to twice and never seen to be left.
func (w *TaskWatch) Hidden() ([]Task, error) {
	var (
		tid   uint32
		seen  bpfSwitches
		tasks []Task
	)
	all := w.coll.Maps[switchedTasks].Iterate()
	for all.Next(&tid, &seen) {
		if seen.To >= 2 && seen.From == 0 {
			tasks = append(tasks, Task{tid, unix.ByteSliceToString(seen.Comm[:])})
		}
	}
	if err := all.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		return nil, fmt.Errorf("watching the scheduler: %w", err)
	}
	sort.Slice(tasks, func(i, j int) bool { return tasks[i].TID < tasks[j].TID })
	return tasks, nil
}

// Stop ends the watch.
func (w *TaskWatch) Stop() error {
	if w.link == nil {
		return nil
	}
	err := w.link.Close()
	w.link = nil
	return err
}

// Close also frees what was loaded.
func (w *TaskWatch) Close() error {
	err := w.Stop()
	w.coll.Close()
	return err
}
