package page

import (
	"cmp"
	"slices"

	"porttrace/internal/event"
)

// poolsShown is how many pools are charted.
const poolsShown = 20

// poolModel is a pool over time. Lists have one entry a bin; null: unknown.
type poolModel struct {
	Name     string                  `json:"name"`
	Host     string                  `json:"host"`
	NetNS    uint32                  `json:"netns"`
	Kind     string                  `json:"kind"` // connect or bind
	Most     int                     `json:"most"`
	Usable   *int                    `json:"usable"`
	Holds    int                     `json:"holds"`
	Failed   int                     `json:"failed"`
	Held     []*int                  `json:"held"`
	Capacity []*int                  `json:"capacity"`
	InUse    []*int                  `json:"in_use"`
	States   [event.States + 1][]int `json:"states"`
	Failures [][2]int                `json:"failures"` // bin, how many
}

// poolModels returns the pools most worth a look: those with failures, then the fullest. And
// how many there are beside.
func (c *Collector) poolModels() ([]poolModel, int) {
	var all []*use
	for _, u := range c.occupancy.pools {
		if u.holds > 0 || u.failed > 0 || len(u.inUse) > 0 {
			all = append(all, u)
		}
	}
	slices.SortFunc(all, func(x, y *use) int {
		return cmp.Or(
			cmp.Compare(min(y.failed, 1), min(x.failed, 1)), cmp.Compare(c.fullness(y), c.fullness(x)),
			cmp.Compare(y.failed, x.failed), cmp.Compare(y.most, x.most), cmp.Compare(y.holds, x.holds),
			cmp.Compare(x.id.NetNS, y.id.NetNS), cmp.Compare(x.id.trace, y.id.trace),
			x.id.Src.Compare(y.id.Src), x.id.Dst.Compare(y.id.Dst))
	})
	shown := all[:min(len(all), poolsShown)]
	models := []poolModel{}
	for _, u := range shown {
		models = append(models, c.poolModel(u))
	}
	return models, len(all) - len(shown) + c.occupancy.forgotten
}

func (c *Collector) poolModel(u *use) poolModel {
	rec := c.lastOf(u.id.trace)
	m := poolModel{
		Name: poolName(u.id.Key), Host: text(rec.host), NetNS: u.id.NetNS, Kind: "bind",
		Most: u.most, Usable: c.usable(u), Holds: u.holds, Failed: u.failed,
		Failures: [][2]int{},
	}
	if u.id.Dst.IsValid() {
		m.Kind = "connect"
	}
	none := 0
	m.Held = u.held.series(c.time.bins, &none)
	if len(u.inUse) > 0 {
		m.InUse = u.inUse.marks(c.time.bins)
	}
	m.Capacity = u.capacity.series(c.time.bins, m.Usable)
	m.States = u.states.series(c.time.bins)
	for bin := range c.time.bins {
		if n := u.failures[bin]; n > 0 {
			m.Failures = append(m.Failures, [2]int{bin, n})
		}
	}
	return m
}

func (c *Collector) lastOf(trace int) *recording {
	for _, r := range slices.Backward(c.recordings) {
		if r.trace == trace {
			return r
		}
	}
	return &recording{}
}

// usable is what a pool's range offers, nil if that is not known.
func (c *Collector) usable(u *use) *int {
	if r, ok := c.lastOf(u.id.trace).ranges[u.id.NetNS]; ok {
		return &r.Usable
	}
	if len(u.capacity) > 0 {
		return &u.capacity[len(u.capacity)-1].end
	}
	return nil
}

func (c *Collector) fullness(u *use) float64 {
	if n := c.usable(u); n != nil && *n > 0 {
		return max(u.fullest, float64(u.most)/float64(*n))
	}
	return u.fullest
}

// marks returns the levels where they were told, and unknown between.
func (l levels) marks(bins int) []*int {
	out := make([]*int, bins)
	for i := range l {
		if l[i].bin < bins {
			out[l[i].bin] = &l[i].most
		}
	}
	return out
}
