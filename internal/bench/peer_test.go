package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// What the peers of libbpf-tools 0.26 wrote on 6.12 of the known ports, client 299 and
// server 295; the lines of other processes are made of these.
var written = map[string]string{
	"tcplife": `PID     COMM             LADDR           LPORT RADDR           RPORT TX_KB  RX_KB  MS
299     exe              127.0.0.1       2290  127.0.0.1       801   0.00   0.00   0.07
299     exe              127.0.0.1       801   127.0.0.1       2290  0.00   0.00   0.06
299     exe              ::1             4348  ::1             802   0.00   0.00   1.28
295     exe              ::1             802   ::1             4348  0.00   0.00   1.29
299     exe              127.0.0.1       9056  127.0.0.1       806   0.00   0.00   0.07
7       a b              127.0.0.1       9058  127.0.0.1       801   0.00   0.00   2.00
7       exe              127.0.0.1       9060  127.0.0.1       80    0.00   0.00   0.07
`,
	"tcptracer": `TIME(s)  T PID    COMM         IP SADDR            DADDR            SPORT DPORT
0.000    C 299    exe          4  127.0.0.1        127.0.0.1        2290 801 
0.000    X 299    exe          4  127.0.0.1        127.0.0.1        2290 801 
0.001    C 299    exe          6  ::1              ::1              4348 802 
0.001    X 295    exe          4  127.0.0.1        127.0.0.1        801  2290
0.005    A 295    exe          4  127.0.0.1        127.0.0.1        801  14619
0.002    X 299    exe          6  ::1              ::1              4348 802 
0.003    X 7      a b          4  127.0.0.1        127.0.0.1        6206 803 
`,
	"tcpconnect": `PID    COMM         IP SADDR            DADDR            SPORT DPORT
299    exe          4  127.0.0.1        127.0.0.1        2290  801  
299    exe          6  ::1              ::1              4348  802  
7      a b          4  127.0.0.1        127.0.0.1        9058  801  
7      exe          4  127.0.0.1        127.0.0.1        9060  80   
`,
}

var understood = map[string][]sighting{
	"tcplife": {
		{pid: 299, port: 2290, begins: true, ends: true, held: 70 * time.Microsecond},
		{pid: 299, port: 4348, v6: true, begins: true, ends: true, held: 1280 * time.Microsecond},
		{pid: 299, port: 9056, begins: true, ends: true, held: 70 * time.Microsecond},
		{pid: 7, port: 9058, begins: true, ends: true, held: 2 * time.Millisecond},
	},
	"tcptracer": {
		{pid: 299, port: 2290, begins: true, held: unknown},
		{pid: 299, port: 2290, ends: true},
		{pid: 299, port: 4348, v6: true, begins: true, held: unknown},
		{pid: 299, port: 4348, v6: true, ends: true, held: time.Millisecond},
		{pid: 7, port: 6206, ends: true, held: unknown}, // its beginning was not told
	},
	"tcpconnect": {
		{pid: 299, port: 2290, begins: true, held: unknown},
		{pid: 299, port: 4348, v6: true, begins: true, held: unknown},
		{pid: 7, port: 9058, begins: true, held: unknown},
	},
}

func TestPeersLines(t *testing.T) {
	for _, p := range peers {
		var got []sighting
		var size int
		err := p.read(strings.NewReader(written[p.name]), func(s sighting, bytes int) {
			got = append(got, s)
			size += bytes
		})
		if err != nil || !slices.Equal(got, understood[p.name]) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", p.name, err, got, understood[p.name])
		}
		if most := len(written[p.name]); size < 50*len(got) || size > most {
			t.Errorf("%s: %d bytes for %d lines of %d bytes in all", p.name, size, len(got), most)
		}
	}
}

func TestSightingsOfTheClients(t *testing.T) {
	var n sightings
	if err := peers[0].read(strings.NewReader(written["tcplife"]), n.of([]int{299, 300})); err != nil {
		t.Fatal(err)
	}
	if n.begun != 3 || n.bytes < 200 {
		t.Errorf("%d began in %d bytes, want 3", n.begun, n.bytes)
	}
}

func TestLost(t *testing.T) {
	said := []string{"lost 12 events on CPU #1", "Lost 3 events on CPU #0!", "lost things", "libbpf: lost 7 events on CPU #1", ""}
	if got := lost(said); got != 15 {
		t.Errorf("lost = %d, want 15", got)
	}
}

func TestHookSets(t *testing.T) {
	h := hookSets{"auto"}
	if err := h.Set("fentry, stable"); err != nil || h.String() != "fentry,stable" {
		t.Errorf("Set = %v, %v", h, err)
	}
	for _, bad := range []string{"", "kprobe", "fentry,", "stable,stable"} {
		if err := h.Set(bad); err == nil {
			t.Errorf("Set(%q): no error", bad)
		}
	}
	if h.String() != "fentry,stable" {
		t.Errorf("a refused list changed the old one to %v", h)
	}
}
