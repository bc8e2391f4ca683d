package owner

import (
	"io"
	"io/fs"
	"os"
	"time"
)

// Bounds of what is read of others' files.
const (
	longestFile = 8 << 20
	mostNames   = 1 << 16 // in a folder or a file
)

// stamp tells versions of a file or folder apart, by what changes with it.
type stamp struct {
	modified time.Time
	size     int64
}

// stampOf returns the zero stamp, which no file has, where there is none.
func stampOf(path string) stamp {
	st, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{st.ModTime(), st.Size()}
}

// isNews tells whether a file is another than it was when it had the stamp that s holds,
// which it then holds anew. The clock of file systems moves in steps of some milliseconds: a
// file that has just changed may change again without showing.
func (s *stamp) isNews(path string) bool {
	now := stampOf(path)
	if now == *s {
		return false
	}
	*s = now
	if time.Since(now.modified) < time.Second {
		s.size = -1 // as no file is: look again
	}
	return true
}

// readFile returns at most so many bytes of a regular file: to open another kind may wait.
func readFile(path string, limit int64) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fs.ErrInvalid
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// folder is the names in a folder, read again when it changes.
type folder struct {
	stamp stamp
	names []string
}

func (d *folder) read(path string) []string {
	if !d.stamp.isNews(path) {
		return d.names
	}
	d.names = nil
	if f, err := os.Open(path); err == nil {
		d.names, _ = f.Readdirnames(mostNames) // as far as it can be read
		f.Close()
	}
	return d.names
}
