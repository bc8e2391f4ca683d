package recording

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/pipeline"
)

var _ pipeline.Sink = (*File)(nil)

// fileMode lets the owner write and the group read: a recording names every user's
// processes and peers.
const fileMode = 0o640

// Options say for whom a recording is made.
type Options struct {
	// SudoUID and SudoGID are the variables SUDO_UID and SUDO_GID, "" where unset.
	// They count only where the process runs as root.
	SudoUID, SudoGID string
}

// File is a recording on disk. It is for one goroutine.
type File struct {
	*Writer
	f      *os.File
	closed bool
	err    error
}

// DefaultName returns the name of a recording begun now, in the current folder.
func DefaultName(now time.Time) string {
	return now.UTC().Format("porttrace-20060102T150405Z.jsonl")
}

// Create makes a recording at path, compressed if its name ends in ".zst". The file is
// new, never an existing one nor what a link of that name points to, and has mode 0640
// whatever the umask. The names "-" and "none" are the caller's to handle. Errors say
// what to do and wrap the cause.
//
// Under sudo the file belongs to the invoking user, with that user's group. Where that
// user could have made it, it is made with no more than that user's own rights, so that
// a folder or a link under their control, changed at any moment, leads to nothing they
// could not reach themselves. Elsewhere (a folder of root's) it is made by root and then
// handed over: whoever traces under sudo is to read the recording without sudo. Invalid
// sudo variables are an error: a guess would give the recording to the wrong user.
func Create(path string, opts Options) (*File, error) {
	user, err := opts.invoker()
	if err != nil {
		return nil, fmt.Errorf("creating recording %q: %w", path, err)
	}
	fd, err := openFor(user, path)
	if err != nil {
		return nil, fmt.Errorf("creating recording %q: %w%s", path, err, advice(path, err))
	}
	f := &File{f: os.NewFile(uintptr(fd), path)}
	if !strings.HasSuffix(path, ".zst") {
		f.Writer = NewWriter(f.f)
		return f, nil
	}
	if f.Writer, err = NewZstdWriter(f.f); err != nil {
		return nil, errors.Join(err, f.f.Close())
	}
	return f, nil
}

// Name returns the path as given to Create.
func (f *File) Name() string { return f.f.Name() }

// Close flushes, waits until the file is on the disk, and closes it. Waiting matters
// once, at the end: a full quota or a dying disk may speak up only then, and whoever is
// told that the trace is recorded may pull the plug. A second call returns what the
// first did.
func (f *File) Close() error {
	if f.closed {
		return f.err
	}
	f.closed = true
	err := f.Writer.Close()
	if err == nil {
		err = f.sync()
	}
	if cerr := f.f.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("closing recording: %w", cerr)
	}
	f.err = err
	return err
}

// Discard closes and removes a recording that is to hold nothing. If the name has come
// to mean another file, as whoever owns a folder on the way can bring about, that file
// stays.
func (f *File) Discard() error {
	path := f.f.Name()
	var mine, there unix.Stat_t
	err := unix.Fstat(int(f.f.Fd()), &mine)
	f.closed = true
	f.err = errors.Join(err, f.f.Close())
	if f.err != nil {
		return f.err
	}
	dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("removing recording %q: %w", path, err)
	}
	defer unix.Close(dir)
	name := filepath.Base(path)
	err = unix.Fstatat(dir, name, &there, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && there.Dev == mine.Dev && there.Ino == mine.Ino {
		err = unix.Unlinkat(dir, name, 0)
	}
	if err != nil && err != unix.ENOENT {
		return fmt.Errorf("removing recording %q: %w", path, err)
	}
	return nil
}

func (f *File) sync() error {
	err := f.f.Sync()
	// Some FUSE and network file systems have no fsync; that is no fault of the file.
	if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return fmt.Errorf("saving recording: %w", err)
}

// openFor creates path with the rights of user and so as the user's own, or where these
// do not suffice, with the process's own rights, handed over to the user. A nil user is
// the process's own.
func openFor(user *invoker, path string) (int, error) {
	if user == nil {
		return openNew(path)
	}
	fd, err := user.open(path)
	if err == nil || !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EPERM) {
		return fd, err
	}
	if fd, err = openNew(path); err != nil {
		return -1, err
	}
	if err := unix.Fchown(fd, user.uid, user.gid); err != nil && !isMountersChoice(err) {
		unix.Close(fd)
		return -1, fmt.Errorf("giving it to the user who ran sudo: %w", err)
	}
	return fd, nil
}

// isMountersChoice tells whether root was refused to change a file's owner or mode
// because the file system has none (vfat, CIFS): who mounted it has decided.
func isMountersChoice(err error) bool {
	return err == unix.EPERM || err == unix.ENOTSUP || err == unix.ENOSYS
}

// openNew creates path. O_EXCL alone follows no link of that name; O_NOFOLLOW says so
// to whoever reads this.
func openNew(path string) (int, error) {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Open(path, flags, 0o600)
	for err == unix.EINTR {
		fd, err = unix.Open(path, flags, 0o600)
	}
	if err != nil {
		return -1, err
	}
	if err := unix.Fchmod(fd, fileMode); err != nil && !isMountersChoice(err) {
		unix.Close(fd)
		return -1, fmt.Errorf("setting its mode: %w", err)
	}
	return fd, nil
}

// advice follows an error with what to do about it.
func advice(path string, err error) string {
	folder := filepath.Dir(path)
	switch {
	case path == "":
		return ": name a file with -o"
	case errors.Is(err, unix.EEXIST):
		return ": a recording overwrites nothing: choose another name with -o"
	case errors.Is(err, unix.EISDIR):
		return ": this names a folder: add a file name to -o"
	case errors.Is(err, unix.ENOENT):
		return fmt.Sprintf(": there is no folder %q: make it, or choose another with -o", folder)
	case errors.Is(err, unix.ENOTDIR):
		return fmt.Sprintf(": %q is no folder: choose another with -o", folder)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM), errors.Is(err, unix.EROFS):
		return fmt.Sprintf(": the folder %q is not writable: choose another with -o", folder)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return ": make room, or choose a folder on another disk with -o"
	}
	return ": choose another file with -o"
}
