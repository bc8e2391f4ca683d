package main

import (
	"strings"
	"testing"
)

const dumpavail = `Package: linux-image-6.1.0-9-cloud-amd64
Version: 6.1.27-1
Architecture: amd64

Package: linux-image-6.1.0-56-cloud-amd64
Version: 6.1.192-2
Architecture: amd64
Depends: kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool

Package: linux-image-6.1.0-0.deb11.52-cloud-amd64
Version: 6.1.190-1~deb11u1
Architecture: amd64

Package: linux-image-6.12.117+deb12-cloud-amd64
Version: 6.12.117-1~deb12u1
Architecture: amd64

Package: linux-image-6.12.118+deb12-cloud-arm64
Version: 6.12.118-1~deb12u1
Architecture: arm64

Package: linux-image-6.18.9+deb13-amd64
Version: 6.18.9-1~bpo13+1
Architecture: amd64

Package: linux-image-7.3.4+deb13-cloud-amd64
Version: 7.3.4-1~bpo13+1
Architecture: amd64
Depends: linux-base-7.3.4 (= 7.3.4-1~bpo13+1), linux-binary-7.3.4+deb13-cloud-amd64 (= 7.3.4-1~bpo13+1), linux-modules-7.3.4+deb13-cloud-amd64 (= 7.3.4-1~bpo13+1)

Package: linux-binary-7.3.4+deb13-cloud-amd64
Version: 7.3.4-1~bpo13+1
Architecture: amd64

Package: linux-modules-7.3.4+deb13-cloud-amd64
Version: 7.3.4-1~bpo13+1
Architecture: amd64

Package: linux-image-cloud-amd64
Version: 7.3.4-1~bpo13+1
Architecture: amd64

Package: nginx
Version: 9
Architecture: amd64
`

func TestChoose(t *testing.T) {
	index := parseIndex(dumpavail)
	for _, c := range []struct{ kernel, arch, image, version string }{
		{"6.1", "amd64", "linux-image-6.1.0-56-cloud-amd64", "6.1.192"}, // not 6.12, not deb11's, not -9
		{"6.12", "amd64", "linux-image-6.12.117+deb12-cloud-amd64", "6.12.117"},
		{"6.12", "arm64", "linux-image-6.12.118+deb12-cloud-arm64", "6.12.118"},
		{newest, "amd64", "linux-image-7.3.4+deb13-cloud-amd64", "7.3.4"},
	} {
		got, err := choose(index, c.kernel, c.arch)
		if err != nil || got.name != c.image || got.upstream() != c.version {
			t.Errorf("%s %s: got %s %s (%v), want %s %s", c.kernel, c.arch, got.name, got.upstream(), err, c.image, c.version)
		}
	}
	for _, kernel := range []string{"5.4", "6.18", ".*"} {
		if got, err := choose(index, kernel, "amd64"); err == nil {
			t.Errorf("%s: got %s, want an error", kernel, got.name)
		}
	}
}

func TestPieces(t *testing.T) {
	index := parseIndex(dumpavail)
	for kernel, want := range map[string]string{
		"6.1":  "linux-image-6.1.0-56-cloud-amd64",
		newest: "linux-binary-7.3.4+deb13-cloud-amd64 linux-modules-7.3.4+deb13-cloud-amd64",
	} {
		image, err := choose(index, kernel, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range pieces(index, image) {
			names = append(names, p.name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s is in %s, want %s", kernel, got, want)
		}
	}
}

func TestSources(t *testing.T) {
	text, err := sources("bookworm http://a.example/debian/\nbookworm-updates http://a.example/debian/\nbookworm-security http://b.example/sec/\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		" http://b.example/sec/ bookworm-security main\n", " http://a.example/debian/ trixie-backports main\n", "[signed-by=" + keyring + "]",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if _, err := sources("bookworm http://a.example/debian/\n"); err == nil {
		t.Error("no mirror has security updates, and there is no error")
	}
}

func TestLibraries(t *testing.T) {
	got := libraries("\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f)\n\t/lib64/ld.so.2 (0x00007f)\n")
	if strings.Join(got, " ") != "/lib/x/libc.so.6 /lib64/ld.so.2" {
		t.Errorf("got %q", got)
	}
}

func TestLacks(t *testing.T) {
	for version, want := range map[string]string{
		"6.1.192": "the tracepoint sock_send_length;IP_LOCAL_PORT_RANGE;programs where packets enter;a kernel that lists bound sockets",
		"6.12.1":  "",
	} {
		g := &guest{kernel: &kernel{version: version, arch: "amd64"}}
		got := strings.TrimPrefix(strings.Join(g.lacks(), ";"), strings.Join(foreign, ";")) // where the host is no amd64
		if got != want {
			t.Errorf("%s lacks %q, want %q", version, got, want)
		}
	}
}
