//go:build !linux

package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Fprintf(os.Stderr, "porttrace needs Linux: it reads the ports of the running Linux kernel, and this is %s\n", runtime.GOOS)
	os.Exit(1)
}
