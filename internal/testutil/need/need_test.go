package need

import "testing"

func TestOnlyWhatAGuestLacksMayBeSkippedInCI(t *testing.T) {
	t.Setenv(lacks, "nginx;the tracepoint sock_send_length")
	for what, want := range map[string]bool{
		"nginx (Debian package nginx)":                true,
		"the tracepoint sock_send_length (Linux 6.3)": true,
		"the tracepoint inet_sock_set_state":          false,
		"curl (Debian package curl)":                  false,
	} {
		if got := isLacked(what); got != want {
			t.Errorf("%q may be skipped: %v, want %v", what, got, want)
		}
	}
	t.Setenv(lacks, "")
	if isLacked("nginx") {
		t.Error("nothing is lacked, and nginx may be skipped")
	}
}
