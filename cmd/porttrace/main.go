//go:build linux

// Command porttrace traces which process holds which ephemeral port, from the moment
// the kernel assigns it to the moment it returns to the pool.
package main

import "os"

func main() {
	os.Exit(run(hostEnv()))
}
