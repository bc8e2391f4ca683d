package recording

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// A clock record that found no room is made up for, and what the recording tells itself is
// by the clock of the lines around it.
func TestNoClockRecordIsMissing(t *testing.T) {
	for _, name := range forms {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			f, h := create(t, path, Options{})
			full := fillable(f)
			start := *examples()[0]
			info := *start.Start
			start.Start = &info
			info.Uptime = ktime.Now()
			start.Time = 1e18
			put := func(r *lifetime.Record) {
				if err := f.Write(r); err != nil {
					t.Fatal(err)
				}
			}
			clock := func(by time.Duration) *lifetime.Record {
				return &lifetime.Record{Type: lifetime.Clock, Time: 1e18 + ktime.Wall(by), Clock: &lifetime.ClockInfo{From: 1e18}}
			}
			put(&start)
			put(clock(time.Hour))
			f.Settle()
			full.Store(true)
			put(clock(-3 * time.Hour))
			write(t, f, 0, 10)
			put(clock(time.Minute))
			f.Flush()
			eventually(t, "they are given up", func() bool { return h.have("no space left on device") })
			full.Store(false)
			write(t, f, 10, 11)
			if missing := f.Settle(); missing != 10 {
				t.Errorf("%d are missing, want 10", missing)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			in, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			var ahead time.Duration
			for r := NewReader(in); ; {
				rec, err := r.Read()
				if err != nil {
					break
				}
				switch rec.Type {
				case lifetime.Clock:
					ahead += rec.Time.Sub(rec.Clock.From)
				case lifetime.Lost:
					if off := rec.Time.Sub(1e18 + ktime.Wall(ahead)); off < 0 || off > 10*time.Minute {
						t.Errorf("what was lost is told %v off", off)
					}
				}
			}
			if want := time.Hour - 3*time.Hour + time.Minute; ahead != want {
				t.Errorf("clock records add up to %v, want %v", ahead, want)
			}
		})
	}
}
