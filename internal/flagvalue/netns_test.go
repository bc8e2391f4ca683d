//go:build linux

package flagvalue

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/spf13/pflag"
)

func newNetns() pflag.Value { return new(Netns) }

func TestNetns(t *testing.T) {
	var stat syscall.Stat_t
	if err := syscall.Stat("/proc/self/ns/net", &stat); err != nil {
		t.Fatal(err)
	}
	own := fmt.Sprint(stat.Ino)
	folder := t.TempDir()
	plain, link, pipe := filepath.Join(folder, "plain"), filepath.Join(folder, "link"), filepath.Join(folder, "pipe")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/self/ns/net", link); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}

	runSetCases(t, newNetns, []setCase{
		{name: "process", set: []string{fmt.Sprint(os.Getpid())}, want: own},
		{name: "path", set: []string{"/proc/self/ns/net"}, want: own},
		{name: "link", set: []string{link}, want: own},
		{name: "inode", set: []string{"4026532999"}, want: "4026532999"},
		{name: "as readlink prints it", set: []string{"net:[4026531833]"}, want: "4026531833"},
		{name: "twice the same", set: []string{"/proc/self/ns/net", own}, want: own},
		{name: "two", set: []string{"4026532999", "4026533000"}, wantErr: "only one"},
		{name: "no process", set: []string{"4194304"}, wantErr: "no process has the id 4194304"},
		{name: "zero", set: []string{"0"}, wantErr: "neither"},
		{name: "between", set: []string{"4194305"}, wantErr: "neither"},
		{name: "below the inodes", set: []string{"4026531832"}, wantErr: "neither"},
		{name: "above the inodes", set: []string{"4294967296"}, wantErr: "neither"},
		{name: "a process in brackets", set: []string{"net:[1]"}, wantErr: "neither"},
		{name: "name", set: []string{"no-such-netns"}, wantErr: "/run/netns/no-such-netns: no such namespace"},
		{name: "missing file", set: []string{folder + "/none"}, wantErr: "no such file"},
		{name: "plain file", set: []string{plain}, wantErr: "not a network namespace"},
		{name: "pipe", set: []string{pipe}, wantErr: "not a network namespace"},
		{name: "folder", set: []string{folder}, wantErr: "not a network namespace"},
		{name: "namespace of another type", set: []string{"/proc/self/ns/mnt"}, wantErr: "not a network namespace"},
		{name: "dots", set: []string{".."}, wantErr: "not a network namespace"},
		{name: "empty", set: []string{""}, wantErr: "empty"},
	})
	var n Netns
	if err := n.Set(own); err != nil || n.Inode() != uint32(stat.Ino) {
		t.Errorf("Inode is %d, want %s (%v)", n.Inode(), own, err)
	}
}

func FuzzNetns(f *testing.F) {
	fuzzValue(f, newNetns, "1", "/proc/self/ns/net", "4026531833", "net:[4026531833]", "..", "/")
}
