package main

import "testing"

// Whatever is in files under /proc, reading them ends well.
func FuzzProc(f *testing.F) {
	f.Add("1 (a) b) S 1 1 1 0 -1 4194560 1 0 0 0 700 500 0 0 20 0 1 0", "utime")
	f.Add("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1", "cpu")
	f.Add("TcpExt: A B\nTcpExt: 1 2\n", "B")
	f.Add("map_id:\t76\nmemlock:\t4379424\n", "map_id")
	f.Add("kmalloc-512 1000 1600 512 16 2 : tunables 0 0 0\n", "kmalloc-512")
	f.Fuzz(func(t *testing.T, text, name string) {
		parseStat(text)
		parseBusy(text)
		netstat(text, name)
		slabInUse(text)
		kilobytes(text, name)
		if id, _, ok := mapInfo(text); ok && id != mustField(t, text, "map_id") {
			t.Errorf("map %q of %q", id, text)
		}
	})
}

func mustField(t *testing.T, text, name string) string {
	t.Helper()
	value, ok := field(text, name)
	if !ok {
		t.Errorf("%q has no %s", text, name)
	}
	return value
}
