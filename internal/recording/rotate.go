package recording

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// earlier is a part that this process set aside.
type earlier struct {
	name string
	id   fileID
}

// room returns how many bytes of whole lines, one at least, go into the present part.
func (k *keeper) room(lines []byte) int {
	if k.opts.RotateSize <= 0 || k.part.z != nil {
		return len(lines)
	}
	left := int(max(1, min(k.limit-k.part.size, int64(len(lines)))))
	return left + bytes.IndexByte(lines[left-1:], '\n')
}

func (k *keeper) full() bool {
	return k.opts.RotateSize > 0 && k.part.size >= k.limit
}

// rotate sets the present part aside and begins the next one, or goes on with the
// present one until it has grown by as much again. Its error is of the present one.
func (k *keeper) rotate() error {
	if err := k.endFrame(); err != nil {
		return err
	}
	next, err := k.nextPart()
	if err != nil {
		k.limit = k.part.size + k.opts.RotateSize
		if !k.stuck {
			k.stuck = true
			k.opts.Notice("beginning the next part of recording %q: %v: going on in the present one, %q", k.path, err, k.part.name)
		}
		return nil
	}
	k.stuck = false
	if k.part.name != k.base {
		k.kept = append(k.kept, earlier{k.part.name, k.part.id})
	}
	k.replace(next)
	k.sweep()
	return nil
}

// nextPart frees the name and makes a new file of that name. If only the first worked,
// the present part goes on under its number.
func (k *keeper) nextPart() (*part, error) {
	if k.part.name == k.base {
		st, err := k.folder.stat(k.base)
		if err != nil && err != unix.ENOENT {
			return nil, err
		}
		if err == nil && idOf(&st) == k.part.id {
			name, number, err := k.folder.setAside(k.base, k.aside)
			if err != nil {
				return nil, fmt.Errorf("setting the present one aside: %w", err)
			}
			k.part.name, k.aside = name, number
		}
	}
	return k.newPart(k.folder.create)
}

// replace goes on in another part.
func (k *keeper) replace(next *part) {
	old := k.part
	k.part, k.number, k.limit, k.removed = next, k.number+1, k.opts.RotateSize, false
	// Saving may take longer than the queue has room. But one at a time: what was not
	// written yet, and what was removed and is still open, takes room from the next.
	k.saving.Wait()
	k.saving.Go(func() {
		err := old.save()
		if err == nil {
			return
		}
		err = fmt.Errorf("saving a part of recording %q: %w", k.path, err)
		select {
		case k.late <- err: // Close returns it
		default:
			k.opts.Notice("%v", err)
		}
	})
}

// sweep removes the oldest parts beyond those to be kept.
func (k *keeper) sweep() {
	if k.opts.RotateKeep <= 0 {
		return
	}
	var still []earlier
	for len(k.kept) > k.opts.RotateKeep {
		old := k.kept[0]
		k.kept = k.kept[1:]
		if err := k.folder.remove(old.name, old.id); err != nil {
			still = append(still, old)
			if !k.unswept {
				k.unswept = true
				k.opts.Notice("removing %q, an old part of recording %q: %v: remove it by hand", old.name, k.path, err)
			}
		}
	}
	k.kept = append(still, k.kept...)
}

// reopen, if asked for, goes on in the file that has the recording's name now, made anew
// if need be.
func (k *keeper) reopen() {
	if !k.asked {
		return
	}
	k.asked = false
	k.handle(k.endFrame())
	next, err := k.reopened()
	if err != nil {
		k.opts.Notice("reopening recording %q: %v: going on in the file it has", k.path, err)
		return
	}
	if next == nil {
		return
	}
	if k.part.name != k.base {
		k.kept = append(k.kept, earlier{k.part.name, k.part.id})
	}
	k.replace(next)
	k.put(nil, true)
}

// reopened returns nil where the name means the present part.
func (k *keeper) reopened() (*part, error) {
	if k.folder.removed() {
		return k.inNewFolder()
	}
	st, err := k.folder.stat(k.base)
	switch {
	case errors.Is(err, unix.ENOENT):
		return k.newPart(k.folder.create)
	case err != nil:
		return nil, err
	case idOf(&st) == k.part.id && !k.removed:
		return nil, nil
	}
	return k.newPart(k.folder.adopt)
}

// inNewFolder makes the file anew, its folder having been removed and made anew.
func (k *keeper) inNewFolder() (*part, error) {
	dir, _ := splitPath(k.path)
	d, err := openFolder(dir, k.hand)
	if err != nil {
		return nil, err
	}
	next, err := k.newPart(d.create)
	if err != nil {
		d.close()
		if errors.Is(err, unix.EACCES) { // Landlock knows folders, not their names
			err = fmt.Errorf("its folder was made anew, and a confined tracer keeps to the one it had: %w: start porttrace again", err)
		}
		return nil, err
	}
	k.folder.close()
	k.folder, k.kept = d, nil
	return next, nil
}
