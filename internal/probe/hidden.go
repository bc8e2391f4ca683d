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

// switched is the program that watches the scheduler.
const switched = "switched"

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
	link link.Link
}

// WatchTasks begins to watch the scheduler. It is the costliest place to hook: close the
// watch after a second or so.
func WatchTasks() (*TaskWatch, error) {
	coll, err := loadOnly(Fentry, switched)
	if err != nil {
		return nil, fmt.Errorf("watching the scheduler: %w", explain(err))
	}
	l, err := link.AttachTracing(link.TracingOptions{Program: coll.Programs[switched]})
	if err != nil {
		coll.Close()
		return nil, fmt.Errorf("watching the scheduler: %w", explain(err))
	}
	return &TaskWatch{coll, l}, nil
}

// Hidden returns the tasks that were switched to twice and never seen to be left.
func (w *TaskWatch) Hidden() ([]Task, error) {
	var (
		tid   uint32
		seen  bpfSwitches
		tasks []Task
	)
	all := w.coll.Maps["switched_tasks"].Iterate()
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

// Close ends the watch.
func (w *TaskWatch) Close() error {
	err := w.link.Close()
	w.coll.Close()
	return err
}
