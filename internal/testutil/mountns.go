package testutil

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// CgroupLayout is how a host mounts cgroups.
type CgroupLayout string

// The layouts of hosts.
const (
	Unified   CgroupLayout = "unified"     // version 2 alone
	Hybrid    CgroupLayout = "hybrid"      // version 1, and version 2 for systemd's own use
	Version1  CgroupLayout = "version 1"   // version 2 is mounted nowhere
	Unmounted CgroupLayout = "not mounted" // neither is
	Covered   CgroupLayout = "covered"     // version 2 is, under version 1
)

// CgroupFolder is where hosts mount cgroups.
const CgroupFolder = "/sys/fs/cgroup"

// EnterMountNS gives the calling thread, which must be locked and never be unlocked,
// mounts of its own, with cgroups in this layout and a new /sys.
func EnterMountNS(layout CgroupLayout) error {
	options, err := CgroupOptions()
	if err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("making a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	// what was mounted below the old /sys is in nobody's sight
	if err := unix.Unmount("/sys", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmounting /sys: %w", err)
	}
	if err := mount("/sys", "sysfs", ""); err != nil {
		return err
	}
	version2 := func(place string) error { return mount(place, "cgroup2", options) }
	switch layout {
	case Unified:
		return version2(CgroupFolder)
	case Covered:
		if err := version2(CgroupFolder); err != nil {
			return err
		}
		return mountVersion1()
	case Hybrid:
		if err := mountVersion1(); err != nil {
			return err
		}
		return version2(CgroupFolder + "/unified")
	case Version1:
		return mountVersion1()
	}
	return nil
}

// mountVersion1 mounts a tmpfs and, where the kernel has version 1, a hierarchy in it.
func mountVersion1() error {
	if err := mount(CgroupFolder, "tmpfs", ""); err != nil {
		return err
	}
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil || !bytes.Contains(known, []byte("\tcgroup\n")) {
		return err
	}
	return mount(CgroupFolder+"/systemd", "cgroup", "none,name=porttrace-test")
}

func mount(place, fs, options string) error {
	if err := os.MkdirAll(place, 0o755); err != nil {
		return fmt.Errorf("mounting %s: %w", fs, err)
	}
	if err := unix.Mount(fs, place, fs, 0, options); err != nil {
		return fmt.Errorf("mounting %s (%s) at %s: %w", fs, options, place, err)
	}
	return nil
}

// CgroupOptions returns the options that version 2 has now, on the whole host: a mount
// would set them anew (apply_cgroup_root_flags).
func CgroupOptions() (string, error) {
	mounts, err := os.ReadFile("/proc/thread-self/mounts")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		// cgroup2 /sys/fs/cgroup cgroup2 rw,relatime,nsdelegate 0 0
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[2] != "cgroup2" {
			continue
		}
		var own []string
		for _, option := range strings.Split(fields[3], ",") {
			if strings.HasPrefix(option, "memory_") || strings.HasPrefix(option, "pids_") ||
				option == "nsdelegate" || option == "favordynmods" {
				own = append(own, option)
			}
		}
		return strings.Join(own, ","), nil
	}
	return "", nil
}
