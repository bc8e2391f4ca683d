package owner

import (
	"os"
	"strings"
	"testing"

	"porttrace/internal/lifetime"
)

func TestOfProcess(t *testing.T) {
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	got := OfProcess(uint32(os.Getpid()))
	if got.PID != uint32(os.Getpid()) || got.Comm != strings.TrimSuffix(string(comm), "\n") {
		t.Errorf("of this process: %+v", got)
	}
	if got := OfProcess(1 << 30); got.PID != 1<<30 || got.Comm != "" || got.Place.Value() != (lifetime.Place{}) {
		t.Errorf("of none: %+v", got)
	}
}

func TestUnified(t *testing.T) {
	for text, want := range map[string]string{
		"0::/system.slice/nginx.service\n":             "/system.slice/nginx.service",
		"4:cpu:/a\n0::/docker/x (deleted)\n":           "/docker/x",
		"1:name=systemd:/user.slice\n0::/\n":           "/",
		"4:cpu,cpuacct:/a\n1:name=systemd:/user.slice": "",
		"":                  "",
		"0::/with:colons\n": "/with:colons",
	} {
		if got := unified(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
