package flagvalue

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"strconv"
	"strings"
)

// The bounds of a Size.
const (
	MinSize = 4 << 10
	MaxSize = 1 << 30
)

// Size is the size of a kernel ring buffer in bytes: a power of two and a multiple of
// the page size, as BPF_MAP_TYPE_RINGBUF needs. 0 is unset.
type Size uint32

// Set takes bytes, or a number with K, M or G (powers of 1024, also written KiB, MiB,
// GiB), from 4KiB to 1GiB, and rounds up to what the kernel takes.
func (z *Size) Set(s string) error {
	digits := strings.TrimRight(s, "KMGkmgiBb")
	unit := strings.ToUpper(s[len(digits):])
	shift, ok := map[string]int{"": 0, "K": 10, "KIB": 10, "M": 20, "MIB": 20, "G": 30, "GIB": 30}[unit]
	n, err := strconv.ParseUint(digits, 10, 64)
	if errors.Is(err, strconv.ErrSyntax) || !ok {
		return fmt.Errorf("%q: want bytes, or a size such as 512K, 16M or 1GiB", s)
	}
	if err != nil || n > MaxSize>>shift || n<<shift < MinSize {
		return fmt.Errorf("%q: want a size from %v to %v", s, Size(MinSize), Size(MaxSize))
	}
	size := max(n<<shift, uint64(os.Getpagesize()))
	*z = Size(1) << bits.Len64(size-1)
	return nil
}

// String returns the size in the largest unit that divides it: "16MiB".
func (z Size) String() string {
	switch {
	case z == 0:
		return ""
	case z%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", z>>30)
	case z%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", z>>20)
	case z%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", z>>10)
	}
	return strconv.Itoa(int(z))
}

// Type names the value in help texts.
func (Size) Type() string { return "SIZE" }
