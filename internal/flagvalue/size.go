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
	n, err := parseBytes(s, MinSize, MaxSize)
	if err != nil {
		return err
	}
	size := max(n, uint64(os.Getpagesize()))
	*z = Size(1) << bits.Len64(size-1)
	return nil
}

// parseBytes reads a number of bytes between two bounds that are powers of 1024.
func parseBytes(s string, low, high uint64) (uint64, error) {
	digits := strings.TrimRight(s, "KMGTkmgtiBb")
	unit := strings.ToUpper(s[len(digits):])
	shift, ok := map[string]int{"": 0, "K": 10, "KIB": 10, "M": 20, "MIB": 20, "G": 30, "GIB": 30, "T": 40, "TIB": 40}[unit]
	n, err := strconv.ParseUint(digits, 10, 64)
	if errors.Is(err, strconv.ErrSyntax) || !ok {
		return 0, fmt.Errorf("%q: want bytes, or a size such as 512K, 16M or 1GiB", s)
	}
	if err != nil || n > high>>shift || n<<shift < low {
		return 0, fmt.Errorf("%q: want a size from %s to %s", s, formatBytes(low), formatBytes(high))
	}
	return n << shift, nil
}

// String returns the size in the largest unit that divides it: "16MiB".
func (z Size) String() string { return formatBytes(uint64(z)) }

func formatBytes(n uint64) string {
	switch {
	case n == 0:
		return ""
	case n%(1<<40) == 0:
		return fmt.Sprintf("%dTiB", n>>40)
	case n%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", n>>30)
	case n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	case n%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return strconv.FormatUint(n, 10)
}

// Type names the value in help texts.
func (Size) Type() string { return "SIZE" }

// The bounds of a FileSize.
const (
	MinFileSize = 4 << 10
	MaxFileSize = 1 << 40
)

// FileSize is the size of a file in bytes. 0 is unset.
type FileSize uint64

// Set takes bytes, or a number with K, M, G or T, as Size does, from 4KiB to 1TiB.
func (z *FileSize) Set(s string) error {
	n, err := parseBytes(s, MinFileSize, MaxFileSize)
	if err == nil {
		*z = FileSize(n)
	}
	return err
}

// String returns the size in the largest unit that divides it: "100MiB".
func (z FileSize) String() string { return formatBytes(uint64(z)) }

// Type names the value in help texts.
func (FileSize) Type() string { return "SIZE" }
