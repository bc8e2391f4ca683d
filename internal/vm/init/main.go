// Command init is PID 1 of a guest of the kernel matrix: it mounts what the tests need,
// runs them as its orders say, tells on the console how each ended, and turns the guest
// off. It imports nothing that looks at /proc before main has mounted it.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/vm/orders"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	if err := run(out); err != nil {
		fmt.Fprintln(out, orders.Trouble(err.Error()))
	} else {
		fmt.Fprintln(out, orders.Done())
	}
	out.Flush()
	// QEMU runs with -no-reboot: this ends it on every machine, without ACPI.
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}

func run(out *bufio.Writer) error {
	if err := mountAll(); err != nil {
		return err
	}
	if err := ownConsole(); err != nil {
		return err
	}
	if err := raiseLoopback(); err != nil {
		return err
	}
	if err := raiseFiles(); err != nil {
		return err
	}
	o, err := readOrders()
	if err != nil {
		return err
	}
	for _, name := range o.Modules {
		if err := loadModule(name); err != nil {
			return err
		}
	}
	kernel, err := openLog()
	if err != nil {
		return err
	}
	for _, p := range o.Programs {
		fmt.Fprintln(out, orders.Begin(p.Name))
		out.Flush()
		began := time.Now()
		status, err := execute(p)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%s\n", orders.End(p.Name, status, time.Since(began)))
		for _, line := range kernel.troubles() {
			fmt.Fprintln(out, orders.Trouble("kernel: "+line))
		}
	}
	return nil
}

func readOrders() (o orders.Orders, err error) {
	data, err := os.ReadFile(orders.File)
	if err != nil {
		return o, fmt.Errorf("reading the orders: %w", err)
	}
	if err := json.Unmarshal(data, &o); err != nil {
		return o, fmt.Errorf("reading the orders: %w", err)
	}
	return o, nil
}

// execute runs a program with the console as its output and returns how it ended.
// Orphans of the tests stay zombies: nobody here waits for them.
func execute(p orders.Program) (status int, err error) {
	cmd := exec.Command(p.Args[0], p.Args[1:]...)
	cmd.Env = append(p.Env, "PATH=/bin:/usr/bin:/usr/sbin", "HOME=/root", "TMPDIR=/tmp")
	cmd.Dir = "/tmp"
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 0, fmt.Errorf("running %s: %w", p.Name, err)
	}
	return 0, nil
}

func loadModule(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("loading a module: %w", err)
	}
	defer f.Close()
	flags := 0
	if strings.HasSuffix(name, ".xz") {
		flags = unix.MODULE_INIT_COMPRESSED_FILE // only kernels with CONFIG_MODULE_DECOMPRESS have such files
	}
	if err := unix.FinitModule(int(f.Fd()), "", flags); err != nil {
		return fmt.Errorf("loading the module %s: %w", name, err)
	}
	return nil
}

// raiseFiles lets programs open as many files as they may where systemd is init: the
// kernel's own limit is 4,096.
func raiseFiles() error {
	limit := unix.Rlimit{Cur: 1 << 19, Max: 1 << 19}
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		return fmt.Errorf("raising the limit of open files: %w", err)
	}
	return nil
}

// raiseLoopback raises lo of the first namespace; the tests make their own otherwise.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("raising lo: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("raising lo: %w", err)
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("raising lo: %w", err)
	}
	return nil
}
