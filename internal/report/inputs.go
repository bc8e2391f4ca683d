package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/recording"
)

// Stdin is the name of the standard input among files.
const Stdin = "-"

// Inputs are files that hold recordings, in the order to read them: a host's together, and
// each after what came before.
type Inputs struct {
	files []*input
	size  int64 // of the regular files, in bytes
	read  int64
}

// input is one file. What cannot be opened twice is kept open.
type input struct {
	name   string
	info   os.FileInfo // nil: standard input
	size   int64
	kept   *opened
	head   *lifetime.Record // the first
	at     ktime.Wall       // its time by the steady clock: see bootClock
	hostID [2]string
}

// opened is a file being read.
type opened struct {
	*recording.Reader
	file  io.Closer
	bytes *counter
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// OpenInputs looks at the beginning of each file. Errors name the file.
func OpenInputs(names []string, stdin io.Reader) (*Inputs, error) {
	in := &Inputs{}
	for _, name := range names {
		if err := in.add(&input{name: name}, stdin); err != nil {
			in.Close()
			return nil, err
		}
	}
	in.sort()
	return in, nil
}

func (in *Inputs) add(f *input, stdin io.Reader) error {
	if f.name != Stdin || !slices.ContainsFunc(in.files, f.same) { // else there is nothing more to look at
		if err := f.look(stdin); err != nil {
			return fmt.Errorf("%s: %w", f.title(), reason(err))
		}
	}
	if i := slices.IndexFunc(in.files, f.same); i >= 0 {
		return fmt.Errorf("%s: named twice, the other time as %s", f.title(), in.files[i].title())
	}
	in.files = append(in.files, f)
	in.size += f.size
	return nil
}

// reason leaves out what the name before it says: "open x: no such file".
func reason(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func (f *input) title() string {
	if f.name == Stdin {
		return "standard input"
	}
	return f.name
}

func (f *input) same(g *input) bool {
	if f.name == Stdin || g.name == Stdin {
		return f.name == g.name
	}
	return f.info.Mode().IsRegular() && os.SameFile(f.info, g.info)
}

// look reads the first record.
func (f *input) look(stdin io.Reader) error {
	o, err := f.open(stdin)
	if err != nil {
		return err
	}
	f.head, err = o.Read()
	switch {
	case err == io.EOF && o.Torn():
		err = errors.New("not a recording: there is no whole line in it")
	case err == io.EOF && o.bytes.n == 0:
		err = errors.New("empty: there is no recording in it")
	case err == io.EOF:
		err = errors.New("not a recording: there is no record in it")
	case err != nil && !errors.Is(err, recording.ErrNewer) && !errors.As(err, new(*os.PathError)):
		err = fmt.Errorf("not a recording: %w", err)
	}
	if err != nil || f.info != nil && f.info.Mode().IsRegular() {
		o.file.Close()
		return err
	}
	f.kept = o
	return nil
}

func (f *input) open(stdin io.Reader) (*opened, error) {
	file := io.NopCloser(stdin)
	if f.name != Stdin {
		var err error
		if file, err = f.openFile(); err != nil {
			return nil, err
		}
	}
	bytes := &counter{r: file}
	return &opened{recording.NewReader(bytes), file, bytes}, nil
}

func (f *input) openFile() (*os.File, error) {
	file, err := os.Open(f.name)
	if err != nil {
		return nil, err
	}
	if f.info, err = file.Stat(); err == nil && f.info.IsDir() {
		err = errors.New("a directory: name the recordings in it")
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	if f.info.Mode().IsRegular() {
		f.size = f.info.Size()
	}
	return file, nil
}

func (in *Inputs) sort() {
	for _, f := range in.files {
		if start := f.head.Start; start != nil {
			f.hostID = [2]string{start.Host, start.BootID}
		}
	}
	in.date()
	first := map[[2]string]ktime.Wall{}
	for _, f := range in.files {
		if at, ok := first[f.hostID]; !ok || f.at < at {
			first[f.hostID] = f.at
		}
	}
	part := func(f *input) int {
		if f.head.Start == nil {
			return 0
		}
		return f.head.Start.Part
	}
	slices.SortStableFunc(in.files, func(a, b *input) int {
		return cmp.Or(cmp.Compare(first[a.hostID], first[b.hostID]), slices.Compare(a.hostID[:], b.hostID[:]),
			cmp.Compare(a.at, b.at), cmp.Compare(part(a), part(b)))
	})
}

// date says when each file begins, whatever the clock was set to meanwhile: by the uptimes
// of one boot, where all its files tell them.
func (in *Inputs) date() {
	first, untold := map[[2]string]*lifetime.Record{}, map[[2]string]bool{}
	for _, f := range in.files {
		if f.head.Start == nil || f.head.Start.Uptime == 0 {
			untold[f.hostID] = true
		} else if old := first[f.hostID]; old == nil || f.head.Start.Uptime < old.Start.Uptime {
			first[f.hostID] = f.head
		}
	}
	for _, f := range in.files {
		f.at = f.head.Time
		if !untold[f.hostID] {
			base := first[f.hostID]
			f.at = base.Time + ktime.Wall(f.head.Start.Uptime.Sub(base.Start.Uptime))
		}
	}
}

// Start returns the time of the first record of all.
func (in *Inputs) Start() ktime.Wall {
	first := in.files[0].at
	for _, f := range in.files {
		first = min(first, f.at)
	}
	return first
}

// Last reads all files for the time of the last record of all.
func (in *Inputs) Last() (last ktime.Wall, err error) {
	clocks := map[[2]string]*bootClock{}
	for _, f := range in.files {
		if clocks[f.hostID] == nil {
			clocks[f.hostID] = &bootClock{}
		}
		if f.kept != nil {
			return 0, fmt.Errorf("%s: where it ends is not known before it is read: give a time of day, or a file", f.title())
		}
		o, err := f.open(nil)
		if err == nil {
			last, err = clocks[f.hostID].latest(o, last)
			o.file.Close()
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", f.title(), reason(err))
		}
	}
	return last, nil
}

// Read returns how much of the files has been read, and how much that is in all, in bytes;
// what is not a regular file does not count.
func (in *Inputs) Read() (done, all int64) { return in.read, in.size }

// Close closes what is open still.
func (in *Inputs) Close() {
	for _, f := range in.files {
		if f.kept != nil {
			f.kept.file.Close()
		}
	}
}
