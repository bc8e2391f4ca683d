package recording

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// fileMode lets the owner write and the group read: a recording names every user's
// processes and peers.
const fileMode = 0o640

// folder is where the parts are, open so that it is the same one wherever it is moved.
// Everything in it is done by hand.
type folder struct {
	fd   int
	hand *hand
}

// splitPath parts a folder from a name in it. A name that cannot be a file's keeps what
// makes the kernel say so.
func splitPath(path string) (dir, name string) {
	i := strings.LastIndexByte(strings.TrimRight(path, "/"), '/')
	if i < 0 {
		return ".", path
	}
	return path[:i+1], path[i+1:]
}

func openFolder(path string, h *hand) (d *folder, err error) {
	d = &folder{hand: h}
	err = h.try(func(bool) error {
		d.fd, err = again(func() (int, error) {
			return unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		})
		return err
	})
	return d, err
}

func (d *folder) close() { unix.Close(d.fd) } // O_PATH: there is nothing to fail

// removed tells that nothing can ever be made in it.
func (d *folder) removed() bool {
	var st unix.Stat_t
	return unix.Fstat(d.fd, &st) == nil && st.Nlink == 0
}

// stat looks at name itself, also where it is a link.
func (d *folder) stat(name string) (st unix.Stat_t, err error) {
	err = d.hand.try(func(bool) error {
		return unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	return st, err
}

// create makes name, new and the user's own.
func (d *folder) create(name string) (fd int, err error) {
	err = d.hand.try(func(elevated bool) error {
		fd, err = d.createNew(name)
		if err != nil || !elevated {
			return err
		}
		if err := unix.Fchown(fd, d.hand.user.uid, d.hand.user.gid); err != nil && !isMountersChoice(err) {
			unix.Close(fd)
			return fmt.Errorf("giving it to the user who ran sudo: %w", err)
		}
		return nil
	})
	return fd, err
}

// createNew makes name. O_EXCL alone follows no link of that name; O_NOFOLLOW says so to
// whoever reads this. O_APPEND: where copytruncate empties the file, writing goes on at
// its beginning and not behind zeros.
func (d *folder) createNew(name string) (int, error) {
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := again(func() (int, error) { return unix.Openat(d.fd, name, flags, 0o600) })
	if err != nil {
		return -1, err
	}
	if err := unix.Fchmod(fd, fileMode); err != nil && !isMountersChoice(err) {
		unix.Close(fd)
		return -1, fmt.Errorf("setting its mode: %w", err)
	}
	return fd, nil
}

// isMountersChoice tells whether root was refused to change a file's owner or mode
// because the file system has none (vfat, CIFS): who mounted it has decided.
func isMountersChoice(err error) bool {
	return err == unix.EPERM || err == unix.ENOTSUP || err == unix.ENOSYS
}

// adopt opens an empty file that someone made for us, as logrotate does.
func (d *folder) adopt(name string) (fd int, err error) {
	st, err := d.stat(name)
	if err == nil {
		err = d.mayAdopt(&st) // before opening: opening a device does things
	}
	if err != nil {
		return -1, err
	}
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	err = d.hand.try(func(bool) error {
		fd, err = again(func() (int, error) { return unix.Openat(d.fd, name, flags, 0) })
		return err
	})
	if err != nil {
		return -1, err
	}
	if err = unix.Fstat(fd, &st); err == nil {
		err = d.mayAdopt(&st) // it may be another one by now
	}
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// mayAdopt says why a file cannot be the next part.
func (d *folder) mayAdopt(st *unix.Stat_t) error {
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return errors.New("what has its name now is no regular file")
	case st.Size != 0:
		return errors.New("the file that has its name now is not empty")
	case st.Nlink != 1:
		return errors.New("the file that has its name now has other names too")
	case st.Uid != 0 && int(st.Uid) != os.Geteuid() && (d.hand.user == nil || int(st.Uid) != d.hand.user.uid):
		return fmt.Errorf("the file that has its name now belongs to user %d", st.Uid)
	}
	return nil
}

// setAside gives name the next free number after last, and returns the new name.
func (d *folder) setAside(name string, last int) (aside string, number int, err error) {
	for number = last + 1; ; number++ {
		aside = numbered(name, number)
		err = d.hand.try(func(bool) error { return d.move(name, aside) })
		if err != unix.EEXIST {
			return aside, number, err
		}
	}
}

// move renames a file and overwrites nothing.
func (d *folder) move(from, to string) error {
	_, err := again(func() (int, error) {
		return 0, unix.Renameat2(d.fd, from, d.fd, to, unix.RENAME_NOREPLACE)
	})
	if err != unix.EINVAL && err != unix.ENOSYS {
		return err
	}
	// NFS knows no flags. A second link overwrites nothing either.
	if err = unix.Linkat(d.fd, from, d.fd, to, 0); err != nil {
		return err
	}
	err = unix.Unlinkat(d.fd, from, 0)
	if err != nil {
		unix.Unlinkat(d.fd, to, 0)
	}
	return err
}

// numbered puts a number before a name's endings: trace.1.jsonl.zst.
func numbered(name string, n int) string {
	stem, zst := strings.CutSuffix(name, ".zst")
	ext := filepath.Ext(stem)
	if ext == stem { // .hidden
		ext = ""
	}
	stem = strings.TrimSuffix(stem, ext) + "." + strconv.Itoa(n) + ext
	if zst {
		stem += ".zst"
	}
	return stem
}

// remove removes the file id if name still means it. If it has come to mean another one,
// as whoever owns the folder can bring about, that one stays.
func (d *folder) remove(name string, id fileID) error {
	err := d.hand.try(func(bool) error {
		var st unix.Stat_t
		err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err != nil || idOf(&st) != id {
			return err
		}
		return unix.Unlinkat(d.fd, name, 0)
	})
	if err == unix.ENOENT {
		return nil
	}
	return err
}

// again repeats what a signal cut short, as they do on FUSE and NFS.
func again(fn func() (int, error)) (int, error) {
	for {
		n, err := fn()
		if err != unix.EINTR {
			return n, err
		}
	}
}
