package probe_test

import (
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"porttrace/internal/probe"
	"porttrace/internal/testutil"
)

// Our own threads are not hidden, however often they come and go.
func TestWatchTasks(t *testing.T) {
	testutil.NeedBPF(t)
	w, err := probe.StartTaskWatch()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for range 100 {
		time.Sleep(time.Millisecond)
		runtime.Gosched()
	}
	hidden, err := w.Hidden()
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range hidden {
		t.Logf("the kernel hides %s/%d", task.Comm, task.TID)
		if _, err := os.Stat("/proc/self/task/" + strconv.Itoa(int(task.TID))); err == nil {
			t.Errorf("%s/%d is ours", task.Comm, task.TID)
		}
	}
}
