package owner

import "strings"

// The classes of pods.
const (
	guaranteed = "guaranteed"
	burstable  = "burstable"
	bestEffort = "besteffort"
)

// kubepods is what the kubelet calls the cgroup of all pods.
const kubepods = "kubepods"

// pod takes a cgroup of the kubelet's: with the cgroupfs driver those of
// /kubepods/burstable/pod<uid>, where a guaranteed pod has no class above it, with the
// systemd driver kubepods-burstable-pod<uid>.slice, whose uid has underscores as in slices a
// dash means another slice. Either may be below further ones (--cgroup-root).
func (p *parser) pod(name string) bool {
	slice, isSlice := strings.CutSuffix(name, ".slice")
	if !isSlice {
		return p.podByFolder(name)
	}
	above, uid, ok := cutLast(slice, "-pod")
	uid = strings.ReplaceAll(uid, "_", "-")
	if !ok || !isPodUID(uid) {
		return false
	}
	class := above[strings.LastIndexByte(above, '-')+1:]
	switch class {
	case burstable, bestEffort:
		above = strings.TrimSuffix(above, "-"+class)
	default:
		class = guaranteed
	}
	if above != kubepods && !strings.HasSuffix(above, "-"+kubepods) {
		return false
	}
	p.PodUID, p.QoS = uid, class
	return true
}

func (p *parser) podByFolder(name string) bool {
	switch {
	case name == kubepods:
		p.pods, p.QoS = true, ""
		return true
	case !p.pods || p.PodUID != "":
		return false
	case name == burstable, name == bestEffort:
		return true
	}
	uid, ok := strings.CutPrefix(name, "pod")
	if !ok || !isPodUID(uid) {
		return false
	}
	p.PodUID, p.QoS = uid, guaranteed
	if p.above == burstable || p.above == bestEffort {
		p.QoS = p.above
	}
	return true
}

// isPodUID knows the uids of the API server, and those of static pods, which are the hash
// of a file: 32 digits.
func isPodUID(s string) bool {
	digits := strings.ReplaceAll(s, "-", "")
	return len(digits) == 32 && isHex(digits) && (len(s) == 32 || len(s) == 36)
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
