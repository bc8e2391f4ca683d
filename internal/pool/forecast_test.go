package pool

import (
	"testing"
	"time"
)

func TestForecast(t *testing.T) {
	ten := 10 * time.Second
	for name, tc := range map[string]struct {
		trend trend
		want  time.Duration
	}{
		"a leak":        {trend{elapsed: ten, before: use{inUse: 100, usable: 1000}, now: use{inUse: 200, usable: 1000}}, 80 * time.Second},
		"nothing moves": {trend{elapsed: ten, before: use{inUse: 900, usable: 1000}, now: use{inUse: 900, usable: 1000}}, -1},
		"it empties":    {trend{elapsed: ten, before: use{inUse: 900, usable: 1000}, now: use{inUse: 800, usable: 1000}}, -1},
		"it is full":    {trend{elapsed: ten, before: use{inUse: 900, usable: 1000}, now: use{inUse: 1000, usable: 1000}}, 0},
		// 10 a second for 62 s are 620
		"TIME_WAIT that settles below": {trend{elapsed: ten, before: use{0, 1000, 0}, now: use{100, 1000, 100}}, -1},
		// 20 a second for 62 s are 1240
		"TIME_WAIT that does not":        {trend{elapsed: ten, before: use{0, 1000, 0}, now: use{200, 1000, 200}}, 40 * time.Second},
		"TIME_WAIT that has settled":     {trend{elapsed: ten, before: use{620, 1000, 620}, now: use{620, 1000, 620}, expired: 100}, -1},
		"one on its way to TIME_WAIT":    {trend{elapsed: ten, before: use{110, 500, 110}, now: use{161, 500, 160}}, -1},
		"a slow leak, and nothing else":  {trend{elapsed: ten, before: use{500, 1000, 0}, now: use{501, 1000, 0}}, 4990 * time.Second},
		"it settles, and a leak goes on": {trend{elapsed: ten, before: use{620, 1000, 620}, now: use{660, 1000, 620}, expired: 100}, 85 * time.Second},
		// TIME_WAIT grows by 10 a second to 620 in 52 s, the leak takes 2 a second: after
		// 52 s 256 are left
		"both grow, the leak goes on": {trend{elapsed: ten, before: use{0, 1000, 0}, now: use{120, 1000, 100}}, 180 * time.Second},
		// as on a loopback with tcp_tw_reuse=2
		"TIME_WAIT that is used again": {trend{elapsed: ten, before: use{200, 1000, 200}, now: use{400, 1000, 400}, expired: 300, reuses: true}, -1},
		"it is, and a leak goes on":    {trend{elapsed: ten, before: use{200, 1000, 200}, now: use{500, 1000, 400}, expired: 300, reuses: true}, 90 * time.Second},
		"a moment":                     {trend{now: use{inUse: 10, usable: 1000}}, -1},
	} {
		if got := tc.trend.exhausts(); got.Round(time.Second) != tc.want.Round(time.Second) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
