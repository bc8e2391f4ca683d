package main

import (
	"fmt"
	"io"
	"os"
	"path"
)

// archive writes an initramfs in the format "newc" of
// Documentation/driver-api/early-userspace/buffer-format.rst. Folders come by
// themselves. The first error stays, and close returns it.
type archive struct {
	w     io.Writer
	at    int64
	inode int
	made  map[string]bool
	err   error
}

func newArchive(w io.Writer) *archive {
	return &archive{w: w, made: map[string]bool{".": true, "/": true}}
}

const (
	modeFolder = 0o040755
	modeFile   = 0o100755
	modeDevice = 0o020600
)

// add puts a file of the host into the archive.
func (a *archive) add(name, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("filling the initramfs: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("filling the initramfs: %w", err)
	}
	a.folder(path.Dir(path.Clean("/" + name)))
	a.header(name, modeFile, info.Size(), 0, 0)
	n, err := io.Copy(a, io.LimitReader(f, info.Size()))
	if err == nil && n != info.Size() {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && a.err == nil {
		a.err = fmt.Errorf("filling the initramfs with %s: %w", from, err)
	}
	a.pad()
	return a.err
}

// put writes a file with this content.
func (a *archive) put(name string, content []byte) {
	a.folder(path.Dir(path.Clean("/" + name)))
	a.header(name, modeFile, int64(len(content)), 0, 0)
	_, _ = a.Write(content)
	a.pad()
}

// console adds /dev/console, which the kernel opens for PID 1 before /dev is mounted.
func (a *archive) console() {
	a.folder("/dev")
	a.header("/dev/console", modeDevice, 0, 5, 1)
}

func (a *archive) folder(name string) {
	if a.made[name] {
		return
	}
	a.folder(path.Dir(name))
	a.made[name] = true
	a.header(name, modeFolder, 0, 0, 0)
}

// header writes an entry's head; its content, padded, must follow.
func (a *archive) header(name string, mode int, size int64, major, minor int) {
	a.inode++
	name = path.Clean("/" + name)[1:]
	a.entry(a.inode, mode, size, major, minor, name)
}

func (a *archive) entry(inode, mode int, size int64, major, minor int, name string) {
	if size > 1<<32-1 && a.err == nil {
		a.err = fmt.Errorf("filling the initramfs with %s: %d bytes are more than the format holds", name, size)
	}
	const uid, gid, links, mtime, devMajor, devMinor, check = 0, 0, 1, 0, 0, 0, 0
	fmt.Fprintf(a, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		inode, mode, uid, gid, links, mtime, size, devMajor, devMinor, major, minor, len(name)+1, check, name)
	a.pad()
}

// Write implements io.Writer.
func (a *archive) Write(p []byte) (int, error) {
	if a.err != nil {
		return 0, a.err
	}
	n, err := a.w.Write(p)
	a.at += int64(n)
	a.err = err
	return n, err
}

// pad fills up to a multiple of four bytes.
func (a *archive) pad() { _, _ = a.Write(make([]byte, -a.at&3)) }

func (a *archive) close() error {
	a.entry(0, 0, 0, 0, 0, "TRAILER!!!")
	return a.err
}
