package pool

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
)

func TestParseRange(t *testing.T) {
	for name, tc := range map[string]struct {
		limits, reserved string
		lo, hi           uint16
		usable           int
	}{
		"as the kernel writes it":     {"32768\t60999\n", "\n", 32768, 60999, 28232},
		"the whole":                   {"1 65535", "", 1, 65535, 65535},
		"one port":                    {"40000 40000", "", 40000, 40000, 1},
		"some reserved":               {"40000 40009", "40001,40003-40005\n", 40000, 40009, 6},
		"reserved all":                {"40000 40009", "1-65535", 40000, 40009, 0},
		"reserved beside it":          {"40000 40009", "8080,39999,40010,65535", 40000, 40009, 10},
		"reserved across its ends":    {"40000 40009", "39990-40000,40009-50000", 40000, 40009, 8},
		"reserved twice":              {"40000 40009", "40001,40001-40001,40001", 40000, 40009, 9},
		"reserved at words' ends":     {"1 65535", "63-64,127,65535", 1, 65535, 65531},
		"reserved from the first one": {"1 10", "0-3", 1, 10, 7},
	} {
		r, err := parseRange(tc.limits, tc.reserved)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.Lo != tc.lo || r.Hi != tc.hi || r.Usable != tc.usable {
			t.Errorf("%s: got %d-%d, %d usable, want %d-%d, %d", name, r.Lo, r.Hi, r.Usable, tc.lo, tc.hi, tc.usable)
		}
		if want := strings.TrimSpace(tc.reserved); r.Reserved != want {
			t.Errorf("%s: reserved %q, want the kernel's text %q", name, r.Reserved, want)
		}
	}
}

func TestParseRangeErrors(t *testing.T) {
	for _, tc := range []struct{ limits, reserved, want string }{
		{"", "", `ip_local_port_range "" is not two numbers`},
		{"32768", "", `ip_local_port_range "32768" is not two numbers`},
		{"1 2 3", "", `ip_local_port_range "1 2 3" is not two numbers`},
		{"a b", "", `ip_local_port_range "a b" is not a range of ports`},
		{"0 10", "", `ip_local_port_range "0 10" is not a range of ports`},
		{"2 1", "", `ip_local_port_range "2 1" is not a range of ports`},
		{"1 65536", "", `ip_local_port_range "1 65536" is not a range of ports`},
		{"1 2", "5-", `ip_local_reserved_ports has "5-", which is not a range of ports`},
		{"1 2", "7,,8", `ip_local_reserved_ports has "", which is not a range of ports`},
		{"1 2", "9-8", `ip_local_reserved_ports has "9-8", which is not a range of ports`},
		{"1 2", "70000", `ip_local_reserved_ports has "70000", which is not a range of ports`},
	} {
		if _, err := parseRange(tc.limits, tc.reserved); err == nil || err.Error() != tc.want {
			t.Errorf("%q, %q: got %v, want %s", tc.limits, tc.reserved, err, tc.want)
		}
	}
}

// bitmapList writes a set as the kernel does (bitmap_print_to_pagebuf).
func bitmapList(set *portSet) string {
	var parts []string
	for port := 0; port < 1<<16; port++ {
		if !set.has(uint16(port)) {
			continue
		}
		first := port
		for port+1 < 1<<16 && set.has(uint16(port+1)) {
			port++
		}
		if first == port {
			parts = append(parts, fmt.Sprint(first))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", first, port))
		}
	}
	return strings.Join(parts, ",")
}

func TestAnyReservedListIsReadBack(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	for range 50 {
		var set portSet
		for range rnd.Intn(200) {
			from := rnd.Intn(1 << 16)
			for port := from; port < min(from+1+rnd.Intn(100), 1<<16); port++ {
				set.add(uint16(port))
			}
		}
		r, err := parseRange("1 65535", bitmapList(&set))
		if err != nil {
			t.Fatal(err)
		}
		if r.reserved != set {
			t.Fatalf("%q is not read back", r.Reserved)
		}
		for port := range 1 << 16 {
			if r.IsReserved(uint16(port)) != set.has(uint16(port)) {
				t.Fatalf("port %d", port)
			}
		}
	}
}

func FuzzParseRange(f *testing.F) {
	f.Add("32768\t60999\n", "8080,9000-9100\n")
	f.Add("1 65535", "0-65535")
	f.Add("2 1", "-")
	f.Fuzz(func(t *testing.T, limits, reserved string) {
		r, err := parseRange(limits, reserved)
		if err != nil {
			return
		}
		usable := 0
		for port := range 1 << 16 {
			if r.Contains(uint16(port)) && !r.IsReserved(uint16(port)) {
				usable++
			}
		}
		if usable != r.Usable || r.Lo == 0 || r.Lo > r.Hi {
			t.Errorf("%d-%d says %d usable, has %d", r.Lo, r.Hi, r.Usable, usable)
		}
	})
}
