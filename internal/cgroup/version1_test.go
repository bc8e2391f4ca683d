package cgroup

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestChooseVersion1(t *testing.T) {
	for text, want := range map[string]Version1{
		"0::/x\n":                    {},
		"1:name=systemd:/x\n0::/x\n": {},
		"3:cpu,cpuacct:/\n2:pids:/x\n1:name=systemd:/\n": {2, "pids"},
		"5:blkio:/\n3:cpu,cpuacct:/\n0::/\n":             {3, "cpu,cpuacct"},
		"5:blkio:/\n":                                    {5, "blkio"},
		"12:hugetlb:/\n4:memory:/a:pids:b\n":             {4, "memory"},
		"x\n::\n-1:pids:/\n99999999999:pids:/\n:":        {},
		"": {},
	} {
		got, ok := chooseVersion1(text)
		if got != want || ok != (want != Version1{}) {
			t.Errorf("%q: %+v, %t, want %+v", text, got, ok, want)
		}
	}
}

func TestSubsystem(t *testing.T) {
	for controllers, want := range map[string]string{
		"pids": "pids_cgrp_id", "cpu,cpuacct": "cpu_cgrp_id", "blkio": "io_cgrp_id",
	} {
		if got := (Version1{1, controllers}).Subsystem(); got != want {
			t.Errorf("%s: %q, want %q", controllers, got, want)
		}
	}
}

func TestFindMountsOfVersion1(t *testing.T) {
	const lines = "32 24 0:28 / /cpu rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"33 24 0:29 / /pids rw - cgroup none rw,pids\n34 24 0:30 / /systemd rw - cgroup cgroup rw,xattr,name=systemd\n" +
		"35 24 0:31 / /unified rw - cgroup2 cgroup2 rw\n"
	for options, want := range map[string]string{"pids": "/pids", "cpu,cpuacct": "/cpu", "name=systemd": "/systemd", "pid": ""} {
		h := hierarchy{"cgroup", options, unix.CGROUP_SUPER_MAGIC}
		got, err := h.findMounts(strings.NewReader(lines))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v, want %q", options, got, err, want)
		}
	}
}
