package recording

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Options say for whom a recording is made, and how long it may get.
type Options struct {
	// SudoUID and SudoGID are the variables SUDO_UID and SUDO_GID, "" where unset.
	// They count only where the process runs as root.
	SudoUID, SudoGID string

	// RotateSize is the size in bytes, as on the disk, at which a part is set aside and
	// the next one begun; 0 is never. Plain parts exceed it by less than a line, and
	// compressed ones by less than 256 KiB of lines.
	RotateSize int64
	// RotateKeep is how many parts set aside are kept besides the present one. Older
	// ones that this process made are removed; 0 keeps all.
	RotateKeep int

	// Notice is told, in one line without its end, what does not go as it should while
	// tracing goes on. It is called from goroutines of the File's own and from the one
	// that calls its methods, at times from several at once. Nil: nobody is told.
	Notice func(format string, args ...any)
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
// sudo variables are an error: a guess would give the recording to the wrong user. All
// this holds for later parts too, and they stay in the folder, wherever it is moved.
func Create(path string, opts Options) (*File, error) {
	user, err := opts.invoker()
	if err != nil {
		return nil, fmt.Errorf("creating recording %q: %w", path, err)
	}
	k, err := newKeeper(path, user, opts)
	if err != nil {
		return nil, fmt.Errorf("creating recording %q: %w%s", path, err, advice(path, err))
	}
	go k.run()
	b, _ := k.q.Take()
	return &File{k: k, b: b}, nil
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
	case errors.Is(err, unix.ENOENT) && isThere(folder): // removed around us, or like /proc
		return fmt.Sprintf(": nothing can be made in %q: choose another folder with -o", folder)
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

func isThere(folder string) bool {
	var st unix.Stat_t
	return unix.Stat(folder, &st) == nil
}
