package flagvalue

import (
	"net/netip"
	"testing"

	"github.com/spf13/pflag"
)

func newPrefixes() pflag.Value     { return new(Prefixes) }
func newDestinations() pflag.Value { return new(Destinations) }

func TestPrefixes(t *testing.T) {
	runSetCases(t, newPrefixes, []setCase{
		{name: "IPv4", set: []string{"10.0.0.1"}, want: "10.0.0.1"},
		{name: "IPv4 range", set: []string{"10.0.0.0/8"}, want: "10.0.0.0/8"},
		{name: "masked", set: []string{"10.1.2.3/8"}, want: "10.0.0.0/8"},
		{name: "full length", set: []string{"10.1.2.3/32"}, want: "10.1.2.3"},
		{name: "IPv6", set: []string{"2001:DB8:0::1"}, want: "2001:db8::1"},
		{name: "IPv6 range", set: []string{"2001:db8::/32"}, want: "2001:db8::/32"},
		{name: "everything", set: []string{"::/0,0.0.0.0/0"}, want: "0.0.0.0/0,::/0"},
		{name: "mapped", set: []string{"::ffff:10.0.0.1"}, want: "10.0.0.1"},
		{name: "mapped range", set: []string{"::ffff:10.0.0.0/104"}, want: "10.0.0.0/8"},
		{name: "all mapped", set: []string{"::ffff:0:0/96"}, want: "0.0.0.0/0"},
		{name: "list and repeats", set: []string{"10.0.0.2,10.0.0.1", "10.0.0.2"}, want: "10.0.0.1,10.0.0.2"},
		{name: "cuts mapped", set: []string{"::ffff:10.0.0.0/90"}, wantErr: "IPv4-mapped"},
		{name: "name", set: []string{"example.com"}, wantErr: "want an address"},
		{name: "length", set: []string{"10.0.0.0/33"}, wantErr: "0 to 32"},
		{name: "IPv6 length", set: []string{"::/129"}, wantErr: "0 to 128"},
		{name: "no length", set: []string{"10.0.0.0/"}, wantErr: "0 to 32"},
		{name: "zone", set: []string{"fe80::1%eth0"}, wantErr: "leave out the zone: fe80::1"},
		{name: "zone in a range", set: []string{"fe80::1%eth0/64"}, wantErr: "leave out the zone"},
		{name: "port", set: []string{"10.0.0.1:80"}, wantErr: "want an address"},
		{name: "empty", set: []string{""}, wantErr: "empty"},
		{name: "empty element", set: []string{"10.0.0.1,"}, wantErr: "element is empty"},
	})
}

func TestDestinations(t *testing.T) {
	runSetCases(t, newDestinations, []setCase{
		{name: "address", set: []string{"10.0.0.1"}, want: "10.0.0.1"},
		{name: "address and port", set: []string{"10.0.0.1:443"}, want: "10.0.0.1:443"},
		{name: "range", set: []string{"10.1.0.0/8"}, want: "10.0.0.0/8"},
		{name: "range and port", set: []string{"10.0.0.0/8:443"}, want: "10.0.0.0/8:443"},
		{name: "IPv6", set: []string{"::1"}, want: "::1"},
		{name: "IPv6 in brackets", set: []string{"[::1]"}, want: "::1"},
		{name: "IPv6 and port", set: []string{"[::1]:443"}, want: "[::1]:443"},
		{name: "IPv6 range", set: []string{"2001:db8::/32"}, want: "2001:db8::/32"},
		{name: "IPv6 range and port", set: []string{"[2001:db8::/32]:443"}, want: "[2001:db8::/32]:443"},
		{name: "IPv6 range and port, bare", set: []string{"2001:db8::/32:443"}, want: "[2001:db8::/32]:443"},
		{name: "mapped", set: []string{"[::ffff:10.0.0.1]:80"}, want: "10.0.0.1:80"},
		{name: "mapped without a port", set: []string{"::ffff:10.0.0.1"}, want: "10.0.0.1"},
		{name: "mapped range", set: []string{"::ffff:10.0.0.0/104:80"}, want: "10.0.0.0/8:80"},
		{name: "list and repeats", set: []string{"[::1]:2,10.0.0.1:5", "10.0.0.1:4", "10.0.0.1"}, want: "10.0.0.1,10.0.0.1:4,10.0.0.1:5,[::1]:2"},
		{name: "port 0", set: []string{"10.0.0.1:0"}, wantErr: "1 to 65535"},
		{name: "port 70000", set: []string{"[::1]:70000"}, wantErr: "1 to 65535"},
		{name: "no port after the colon", set: []string{"10.0.0.1:"}, wantErr: "1 to 65535"},
		{name: "service name", set: []string{"10.0.0.1:https"}, wantErr: "1 to 65535"},
		{name: "only a port", set: []string{":443"}, wantErr: "0.0.0.0/0:443"},
		{name: "open bracket", set: []string{"[::1:443"}, wantErr: "[ADDRESS]:PORT"},
		{name: "text after the bracket", set: []string{"[::1]443"}, wantErr: "[ADDRESS]:PORT"},
		{name: "empty brackets", set: []string{"[]:443"}, wantErr: "want an address"},
		{name: "name", set: []string{"example.com:443"}, wantErr: "want an address"},
		{name: "length", set: []string{"10.0.0.0/99:443"}, wantErr: "0 to 32"},
		{name: "empty", set: []string{""}, wantErr: "empty"},
	})
}

func TestDestinationContains(t *testing.T) {
	for _, tc := range []struct {
		set, to string
		want    bool
	}{
		{"10.0.0.0/8:443", "10.9.9.9:443", true},
		{"10.0.0.0/8:443", "10.9.9.9:444", false},
		{"10.0.0.0/8:443", "11.9.9.9:443", false},
		{"10.0.0.0/8", "10.9.9.9:1", true},
		{"10.0.0.0/8", "[::ffff:10.9.9.9]:1", true},
		{"::/0", "10.9.9.9:1", false},
		{"::/0", "[2001:db8::1]:1", true},
	} {
		var d Destinations
		if err := d.Set(tc.set); err != nil {
			t.Fatal(err)
		}
		if got := d.List()[0].Contains(netip.MustParseAddrPort(tc.to)); got != tc.want {
			t.Errorf("%s contains %s: %v, want %v", tc.set, tc.to, got, tc.want)
		}
	}
}

func FuzzPrefixes(f *testing.F) {
	fuzzValue(f, newPrefixes, "10.0.0.1", "10.1.2.3/8", "::ffff:10.0.0.0/104", "fe80::1%eth0", "::/0")
}

func FuzzDestinations(f *testing.F) {
	fuzzValue(f, newDestinations, "10.0.0.0/8:443", "[2001:db8::/32]:443", "::1", "[::1]", ":443", "2001:db8::/32:1")
}
