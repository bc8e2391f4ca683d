package cgroup

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const sysfsLine = "24 31 0:22 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"

func TestFindMounts(t *testing.T) {
	for name, tc := range map[string]struct {
		mountinfo string
		want      []string
	}{
		"unified": {
			sysfsLine + "31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
			[]string{"/sys/fs/cgroup"},
		},
		"hybrid": {
			"32 24 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n" +
				"33 24 0:29 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 none rw\n",
			[]string{"/sys/fs/cgroup/unified"},
		},
		"no optional fields, several optional fields": {
			"31 24 0:27 / /a rw - tmpfs x rw\n32 24 0:28 / /b rw shared:1 master:2 propagate_from:3 - cgroup2 x rw\n",
			[]string{"/b"},
		},
		"several, also of a part, also from outside of our namespace": {
			"31 24 0:27 /docker/abc /first rw - cgroup2 cgroup2 rw\n32 24 0:27 /../.. /second rw - cgroup2 cgroup2 rw\n",
			[]string{"/first", "/second"},
		},
		"blanks in the mount point": {
			`31 24 0:27 / /my\040cgroups\011and\012more\134040 rw - cgroup2 cgroup2 rw` + "\n",
			[]string{"/my cgroups\tand\nmore\\040"},
		},
		"a dash in the mount point": {
			`31 24 0:27 / /a\040-\040cgroup2 rw - cgroup2 cgroup2 rw` + "\n",
			[]string{"/a - cgroup2"},
		},
		"an overlay of very many layers before it": {
			"30 24 0:26 / / rw - overlay overlay rw,lowerdir=" + strings.Repeat("/layer:", 20000) + "\n" +
				"31 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			[]string{"/sys/fs/cgroup"},
		},
		"empty":          {"", nil},
		"version 1 only": {"32 24 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", nil},
		"torn lines":     {"31 24\n31 24 0:27 / - cgroup2\n - cgroup2 x y\n\n", nil},
		"similar name":   {"31 24 0:27 / /x rw - cgroup2fs x rw\n", nil},
	} {
		got, err := version2.findMounts(strings.NewReader(tc.mountinfo))
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, tc.want)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("torn cable") }

func TestMountinfoThatCannotBeRead(t *testing.T) {
	_, err := version2.findMounts(broken{})
	if err == nil || err.Error() != "looking for cgroup v2: torn cable" {
		t.Errorf("got %v", err)
	}
}

func FuzzFindMounts(f *testing.F) {
	f.Add("31 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
	f.Add(`31 24 0:27 / /a\040b rw - cgroup2 `)
	f.Fuzz(func(t *testing.T, mountinfo string) {
		places, err := version2.findMounts(strings.NewReader(mountinfo))
		if len(places) > strings.Count(mountinfo, "cgroup2") || err != nil && places != nil {
			t.Errorf("places %q with error %v", places, err)
		}
	})
}
