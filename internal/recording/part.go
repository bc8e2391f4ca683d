package recording

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

var (
	// errCut is a file that someone else made shorter, as logrotate's copytruncate does.
	errCut = errors.New("someone else keeps cutting the file short")
	// errRemoved is a file without a name: it is gone once it is closed.
	errRemoved = errors.New("the file was removed")
)

// fileID tells a file from every other one that exists at the same time.
type fileID struct{ dev, ino uint64 }

func idOf(st *unix.Stat_t) fileID { return fileID{uint64(st.Dev), st.Ino} }

// part is one file of a recording, open for appending. All that it holds is whole lines,
// compressed in frames if z is set.
type part struct {
	f     *os.File
	write func([]byte) (int, error) // f.Write; tests let it stall
	name  string                    // in the folder
	id    fileID
	links bool  // the file system counts links
	size  int64 // how long the file is to our knowledge, without torn
	torn  int64 // bytes at its end that are to go
	z     *frame
}

// newPart takes over fd.
func newPart(fd int, path, name string, z *frame) (*part, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, err
	}
	p := &part{f: os.NewFile(uintptr(fd), path), name: name, id: idOf(&st), links: st.Nlink > 0, size: st.Size, z: z}
	p.write = p.f.Write
	return p, nil
}

// append writes lines and, if asked, ends the frame. On an error the file is as long as
// its first kept bytes of lines make it, or for frames as it was when the present one
// began; where it could not be cut back, repair has to succeed first.
func (p *part) append(lines []byte, end bool) (kept int, err error) {
	out := lines
	if p.z != nil {
		if out, err = p.z.pack(lines, end); err != nil {
			return 0, errors.Join(err, p.back(0))
		}
	}
	if len(out) == 0 {
		return len(lines), nil
	}
	n, err := p.write(out)
	if err != nil {
		if p.z == nil {
			kept = bytes.LastIndexByte(out[:n], '\n') + 1
			p.size += int64(kept)
		}
		p.back(int64(n - kept)) // if this fails, repair will say so
		return kept, cause(err)
	}
	if err := p.check(int64(n)); err != nil {
		return 0, err
	}
	p.size += int64(n)
	if p.z != nil {
		p.z.wrote()
	}
	return len(lines), nil
}

// whole tells that no frame lacks its end.
func (p *part) whole() bool { return p.z == nil || p.z.lines == 0 }

// back takes torn bytes just written, and the present frame, from the end of the file.
func (p *part) back(torn int64) error {
	p.torn += torn
	if p.z != nil {
		p.torn += p.z.written
		p.size -= p.z.written
		p.z.drop()
	}
	return p.repair()
}

// repair cuts off what is torn.
func (p *part) repair() error {
	if p.torn == 0 {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(p.f.Fd()), &st); err != nil {
		return err
	}
	// If someone else has cut it in between, our last bytes are still its last.
	size := max(0, min(p.size, st.Size-p.torn))
	if err := p.f.Truncate(size); err != nil {
		return fmt.Errorf("cutting off a torn line: %w", cause(err))
	}
	p.size, p.torn = size, 0
	return nil
}

// check looks at the file after n bytes were appended. If it was cut short in between,
// they go again: in front of them a line or a frame may lack its beginning.
func (p *part) check(n int64) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(p.f.Fd()), &st); err != nil {
		return nil // it was written; the next write will tell
	}
	if p.links && st.Nlink == 0 {
		return errRemoved
	}
	if st.Size >= p.size && (st.Size > n || p.size == 0 || n == 0) {
		return nil
	}
	if p.z != nil {
		p.z.drop()
	}
	p.size, p.torn = max(0, st.Size-n), n
	if err := p.repair(); err != nil {
		return err
	}
	return errCut
}

// save waits until the file is on the disk, and closes it.
func (p *part) save() error {
	err := p.f.Sync()
	// Some FUSE and network file systems have no fsync; that is no fault of the file.
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		err = nil
	}
	if cerr := p.f.Close(); err == nil {
		err = cerr
	}
	return cause(err)
}
