package iana

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClass(t *testing.T) {
	for _, tt := range []struct {
		port uint16
		want string
	}{
		{0, System}, {1, System}, {1023, System},
		{1024, User}, {49151, User},
		{49152, Dynamic}, {60568, Dynamic}, {65535, Dynamic},
	} {
		got := Class(tt.port)
		if got != tt.want {
			t.Errorf("Class(%d) = %q, want %q", tt.port, got, tt.want)
		}
		if lo, hi := Bounds(got); tt.port < lo || tt.port > hi {
			t.Errorf("Bounds(%q) = %d-%d, without %d", got, lo, hi, tt.port)
		}
	}
	if lo, hi := Bounds("other"); lo != 0 || hi != 0 {
		t.Errorf("Bounds of an unknown class = %d-%d, want 0-0", lo, hi)
	}
}

func TestService(t *testing.T) {
	for _, tt := range []struct {
		port  uint16
		proto string
		want  string
	}{
		{1, "tcp", "tcpmux"}, {22, "tcp", "ssh"}, {53, "udp", "domain"},
		{443, "tcp", "https"}, {443, "udp", "https"},
		{514, "tcp", "shell"}, {514, "udp", "syslog"},
		{123, "tcp", "ntp"}, {123, "udp", "ntp"},
		{2049, "tcp", "nfs"}, {5432, "tcp", "postgresql"}, {6379, "tcp", "redis"}, {6379, "udp", ""},
		{6000, "tcp", "x11"}, {6063, "udp", "x11"}, {7359, "tcp", "swx"},
		{49150, "tcp", "inspider"}, {49150, "udp", ""},
		{0, "tcp", ""}, {60568, "tcp", ""}, {65535, "udp", ""},
		{132, "sctp", ""}, {443, "", ""},
	} {
		if got := Service(tt.port, tt.proto); got != tt.want {
			t.Errorf("Service(%d, %q) = %q, want %q", tt.port, tt.proto, got, tt.want)
		}
	}
}

// TestData checks what Service takes for granted of the embedded text.
func TestData(t *testing.T) {
	if !strings.HasPrefix(services, "\n") || !strings.HasSuffix(services, "\n") {
		t.Fatal("services.txt does not begin and end with a newline")
	}
	last, lines := -1, 0
	for line := range strings.Lines(services[1:]) {
		lines++
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		port, err := strconv.Atoi(fields[0])
		if err != nil || port <= last || Class(uint16(port)) == Dynamic {
			t.Fatalf("line %q: want ports in order below 49152", line)
		}
		last = port
		if len(fields) < 2 || len(fields) > 3 {
			t.Errorf("line %q: %d fields, want 2 or 3", line, len(fields))
		}
		for _, name := range fields[1:] {
			if name == "" || !utf8.ValidString(name) || strings.TrimSpace(name) != name {
				t.Errorf("line %q: bad name", line)
			}
		}
	}
	if lines < 5000 {
		t.Errorf("%d ports, want the whole registry", lines)
	}
}

func BenchmarkService(b *testing.B) {
	for b.Loop() {
		Service(49150, "tcp")
	}
}
