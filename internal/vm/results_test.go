package main

import (
	"bytes"
	"strings"
	"testing"

	"porttrace/internal/vm/orders"
)

// console is what a guest said whose tests passed, failed and were skipped. The marks
// before the test framework's own lines are those of -test.v=test2json.
const console = "[    1.0] booting\r\n" +
	"porttrace-vm: begin scenario\n" +
	"\x16=== RUN   TestGood\n\x16=== RUN   TestGood/one\n\x16--- PASS: TestGood/one (0.00s)\n\x16=== NAME  TestGood\n" +
	"\x16=== RUN   TestGood/two\n\x16--- PASS: TestGood/two (0.00s)\n\x16=== NAME  TestGood\n\x16--- PASS: TestGood (0.01s)\n" +
	"\x16=== RUN   TestBad\n    bad_test.go:7: one is not two\n\x16--- FAIL: TestBad (0.00s)\n\x16=== NAME  \n" +
	"\x16=== RUN   TestNot\n    not_test.go:9: needs wings (package wings)\n\x16--- SKIP: TestNot (0.00s)\n\x16=== NAME  \n" +
	"\x16FAIL\n\nporttrace-vm: end scenario 1 2500\n" +
	"porttrace-vm: begin probe\n" +
	"\x16=== RUN   TestOpen\n\x16--- PASS: TestOpen (0.00s)\n\x16PASS\n\nporttrace-vm: end probe 0 300\n" +
	"porttrace-vm: done\n"

func readConsole(t *testing.T, console string) []*result {
	t.Helper()
	g := &guest{kernel: &kernel{version: "6.12.1", arch: "amd64"}, hooks: "stable", packages: []suiteOf{{name: "scenario"}, {name: "probe"}}}
	return read(t.Context(), g, []byte(console), nil)
}

func TestReadConsole(t *testing.T) {
	results := readConsole(t, console)
	for i, want := range []struct{ pass, fail, skip int }{{2, 1, 1}, {1, 0, 0}} {
		r := results[i]
		if r.count("pass") != want.pass || r.count("fail") != want.fail || r.count("skip") != want.skip || len(r.trouble) > 0 {
			t.Errorf("%s: got %+v, want %+v", r.name, r, want)
		}
	}
	if ms := results[0].took.Milliseconds(); ms != 2500 {
		t.Errorf("it took %d ms, want 2500", ms)
	}
	var out bytes.Buffer
	if printMatrix(&out, results) {
		t.Error("a test failed, and all is well")
	}
	for _, want := range []string{
		"\n3 passed, 1 failed, 1 skipped\n", "needs wings (package wings)\n    scenario.TestNot\n    on 6.12.1 amd64 stable\n",
		"FAILED on 6.12.1 amd64 stable scenario: TestBad\n", "bad_test.go:7: one is not two",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// A failed test says what was wrong before it lists all it saw.
func TestLongFailuresKeepBothEnds(t *testing.T) {
	const wrong = "bad_test.go:7: one is not two\n"
	var out bytes.Buffer
	printMatrix(&out, readConsole(t, strings.Replace(console, wrong, wrong+strings.Repeat("        seen\n", 100)+"        the last\n", 1)))
	for _, want := range []string{wrong, "\n    [64 lines left out]\n", "        the last\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// Whatever ends a guest early must not look like success.
func TestDeadGuestsFail(t *testing.T) {
	whole := strings.Replace(console, "\x16--- FAIL", "\x16--- PASS", 1)
	whole = strings.Replace(whole, "end scenario 1", "end scenario 0", 1)
	if printMatrix(new(bytes.Buffer), readConsole(t, whole)) != true {
		t.Fatal("a guest whose tests all passed failed")
	}
	cut := func(before string) string { head, _, _ := strings.Cut(whole, before); return head }
	for name, text := range map[string]string{
		"nothing said":           "",
		"died in a test":         cut("\x16--- PASS: TestGood/two"),
		"died before its result": cut("porttrace-vm: end scenario"),
		"died between programs":  cut("porttrace-vm: begin probe"),
		"died at the end":        cut("porttrace-vm: done"),
		"panicked":               strings.Replace(whole, "porttrace-vm: done", "[    9.9] Kernel panic - not syncing: oh\r\nporttrace-vm: done", 1),
		"the kernel complained":  strings.Replace(whole, "porttrace-vm: begin probe", orders.Trouble("kernel: BUG: oh")+"\nporttrace-vm: begin probe", 1),
		"exit without a failure": strings.Replace(whole, "end probe 0", "end probe 2", 1),
		"no tests":               strings.Replace(whole, "\x16=== RUN   TestOpen\n\x16--- PASS: TestOpen (0.00s)\n", "", 1),
	} {
		if printMatrix(new(bytes.Buffer), readConsole(t, text)) {
			t.Errorf("%s: all is well", name)
		}
	}
}

func TestNoTestIsNoSuccess(t *testing.T) {
	if printMatrix(new(bytes.Buffer), nil) {
		t.Error("nothing ran, and all is well")
	}
}

func TestOrdersLines(t *testing.T) {
	for _, text := range []string{orders.Begin("a"), orders.End("a", 2, 1500e6), orders.Done(), orders.Trouble("x y")} {
		l, rest, ok := orders.Parse("half a line" + text + "\r\n")
		if !ok || rest != "half a line" {
			t.Errorf("%q: got %+v, %q, %v", text, l, rest, ok)
		}
	}
	if _, _, ok := orders.Parse("=== RUN TestX\n"); ok {
		t.Error("a test's line is PID 1's")
	}
	if l, _, _ := orders.Parse(orders.End("a", 2, 1500e6)); l.Name != "a" || l.Status != 2 || l.Took.Milliseconds() != 1500 {
		t.Errorf("got %+v", l)
	}
}
