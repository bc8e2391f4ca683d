// Package testutil is what tests on the real kernel share: privileges, network
// namespaces, sockets, and skips that cannot lie.
package testutil

import (
	"os"
	"testing"

	"porttrace/internal/probe"
)

// requireBPF is set in CI, where a missing privilege is a failure and not a skip.
const requireBPF = "PORTTRACE_TEST_REQUIRE_BPF"

// NeedBPF skips the test where the hooks cannot work, saying why; with
// PORTTRACE_TEST_REQUIRE_BPF=1 it fails instead.
func NeedBPF(t testing.TB) {
	t.Helper()
	if err := probe.Preflight(); err != nil {
		if os.Getenv(requireBPF) == "1" {
			t.Fatalf("%s=1 and the hooks cannot work: %v", requireBPF, err)
		}
		t.Skipf("the hooks cannot work here: %v", err)
	}
}

// Need skips the test where a condition outside the project is not met; in CI it
// fails.
func Need(t testing.TB, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv(requireBPF) == "1" {
		t.Fatalf("%s=1 and this is missing: %s", requireBPF, what)
	}
	t.Skipf("needs %s", what)
}
