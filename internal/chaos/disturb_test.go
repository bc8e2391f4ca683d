package chaos

import "fmt"

// disturbance is something that happens to a namespace from outside.
type disturbance struct {
	often int
	do    func(*run, *arena)
}

func (d disturbance) weight() int { return d.often }

var disturbances = []disturbance{
	{10, (*run).narrowRange},
	{10, set("ipv4/ip_local_reserved_ports", "1", "32768-50000", "40001,40003-40005,60000-60999")},
	{10, set("ipv4/tcp_fin_timeout", "1", "2", "5", "60")},
	{10, set("ipv4/tcp_tw_reuse", "0", "1", "2")},
	{10, set("ipv4/tcp_max_tw_buckets", "4", "100", "65536", "65536")},
	{5, (*run).killWorker},
	{3, (*run).destroyArena},
	{30, func(*run, *arena) {}},
}

// disturb lets one thing happen somewhere.
func (r *run) disturb() {
	r.t.Helper()
	a := r.arenas[r.rng.IntN(len(r.arenas))]
	if a.narrow {
		a.ns.Sysctl(r.t, "ipv4/ip_local_port_range", wideRange)
		a.narrow = false
		return
	}
	pick(r.rng, disturbances).do(r, a)
}

// set writes one of some values.
func set(name string, values ...string) func(*run, *arena) {
	return func(r *run, a *arena) { a.ns.Sysctl(r.t, name, values[r.rng.IntN(len(values))]) }
}

// narrowRange leaves so few ports that searches fail.
func (r *run) narrowRange(a *arena) {
	lo := 35000 + r.rng.IntN(20000)
	a.ns.Sysctl(r.t, "ipv4/ip_local_port_range", fmt.Sprintf("%d %d", lo, lo+1+r.rng.IntN(60)))
	a.narrow = true
}

// killWorker ends a worker with all its sockets; another one takes its place.
func (r *run) killWorker(a *arena) {
	slot := r.rng.IntN(len(a.crew))
	a.crew[slot].kill()
	a.crew[slot] = r.startMember(a, slot)
	a.crew[slot].say(sayResume)
}

// destroyArena ends a namespace with all that is in it; another one takes its place.
func (r *run) destroyArena(a *arena) {
	a.destroy()
	r.open(a)
	for _, m := range a.crew {
		m.say(sayResume)
	}
}
