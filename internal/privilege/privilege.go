// Package privilege knows the capabilities that porttrace takes: each one, what it is
// for, how long it is kept, and what is missing without it.
package privilege

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Use says what a capability is needed for, and so how long it is kept.
type Use uint8

// The uses.
const (
	// Beginning is to load and attach the hooks. What is for nothing else is given up
	// before the first look.
	Beginning Use = 1 << iota
	// Looking is what the running tracer does: it enters namespaces and reads /proc.
	Looking
	// Filing is to make the recording's files where others own the folder. Only the
	// thread that makes them keeps it.
	Filing
)

// Capability is one that porttrace takes.
type Capability struct {
	Bit    uint
	Name   string
	Use    Use
	Stable bool   // only the stable hooks need it
	Root   bool   // only root needs it, or has another way
	Why    string // what it is for
	// Without is what is missing without it; "": there is no tracing.
	Without string
}

// All are the capabilities that porttrace takes, found by taking each away: for the fentry
// set on Linux 5.10 and 6.12, for the stable one on 6.18.
var All = []Capability{
	{
		Bit: unix.CAP_BPF, Name: "CAP_BPF", Use: Beginning,
		Why: "makes maps and loads the hooks",
	},
	{
		Bit: unix.CAP_PERFMON, Name: "CAP_PERFMON", Use: Beginning,
		Why: "lets the hooks read the kernel's memory",
	},
	{
		Bit: unix.CAP_NET_ADMIN, Name: "CAP_NET_ADMIN", Use: Beginning, Stable: true,
		Why: "loads and attaches the hooks of cgroups and sockops",
	},
	{
		Bit: unix.CAP_SYSLOG, Name: "CAP_SYSLOG", Use: Beginning, Stable: true,
		Why: "shows the address of the TIME_WAIT timer in /proc/kallsyms",
	},
	{
		Bit: unix.CAP_SYS_ADMIN, Name: "CAP_SYS_ADMIN", Use: Looking,
		Why:     "enters network namespaces, to read their ranges and look at their sockets",
		Without: "what is held in other network namespaces from before the start, and their port ranges",
	},
	{
		Bit: unix.CAP_SYS_PTRACE, Name: "CAP_SYS_PTRACE", Use: Looking,
		Why:     "finds the namespaces, and reads the programs, of other users' processes",
		Without: "network namespaces that only other users' processes lead to, and which programs those run",
	},
	{
		Bit: unix.CAP_DAC_READ_SEARCH, Name: "CAP_DAC_READ_SEARCH", Use: Looking,
		Why:     "opens cgroups by the ids that the hooks tell, and reads what only others may",
		Without: "the cgroups and containers of owners",
	},
	{
		Bit: unix.CAP_DAC_OVERRIDE, Name: "CAP_DAC_OVERRIDE", Use: Filing, Root: true,
		Why:     "makes later parts of a recording in a folder of another user's",
		Without: "recordings in folders of other users",
	},
	{
		Bit: unix.CAP_CHOWN, Name: "CAP_CHOWN", Use: Filing, Root: true,
		Why:     "gives the recording to the user who ran sudo",
		Without: "recordings for the user who ran sudo",
	},
	{
		Bit: unix.CAP_SETUID, Name: "CAP_SETUID", Use: Filing, Root: true,
		Why:     "makes the recording with the rights of the user who ran sudo (setfsuid)",
		Without: "recordings for the user who ran sudo",
	},
	{
		Bit: unix.CAP_SETGID, Name: "CAP_SETGID", Use: Filing, Root: true,
		Why:     "makes the recording with the group of the user who ran sudo (setfsgid)",
		Without: "recordings for the user who ran sudo",
	},
	{
		Bit: unix.CAP_SETPCAP, Name: "CAP_SETPCAP", Use: Beginning, Root: true,
		Why:     "empties the bounding set, which no_new_privs makes harmless anyway",
		Without: "an empty bounding set",
	},
	{
		Bit: unix.CAP_SYS_RESOURCE, Name: "CAP_SYS_RESOURCE", Use: Beginning, Root: true,
		Why:     "raises RLIMIT_MEMLOCK, which maps count against before Linux 5.11",
		Without: "maps before Linux 5.11, unless the limit is raised already (ulimit -l unlimited)",
	},
}

// Set is a set of capabilities, a bit each, as /proc/PID/status shows them.
type Set uint64

// Has says whether the set has a capability.
func (s Set) Has(bit uint) bool { return s&(1<<bit) != 0 }

// For returns all that is for one of the uses.
func For(use Use) Set {
	var s Set
	for _, c := range All {
		if c.Use&use != 0 {
			s |= 1 << c.Bit
		}
	}
	return s
}

// Effective returns what the calling thread may use now.
func Effective() (Set, error) {
	data, err := own()
	return Set(data[0].Effective) | Set(data[1].Effective)<<32, err
}

// Permitted returns what the calling thread may take into use.
func Permitted() (Set, error) {
	data, err := own()
	return Set(data[0].Permitted) | Set(data[1].Permitted)<<32, err
}

func own() (data [2]unix.CapUserData, err error) {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&head, &data[0]); err != nil {
		return data, fmt.Errorf("reading our capabilities: %w", err)
	}
	return data, nil
}

// Missing returns the capabilities without which there is no tracing and which the set
// lacks. CAP_SYS_ADMIN stands for those that bpf() asks for (bpf_capable,
// perfmon_capable, and for CAP_NET_ADMIN bpf_prog_load).
func (s Set) Missing(stable bool) []Capability {
	var missing []Capability
	for _, c := range All {
		implied := c.Bit != unix.CAP_SYSLOG && s.Has(unix.CAP_SYS_ADMIN)
		if c.Without == "" && (stable || !c.Stable) && !s.Has(c.Bit) && !implied {
			missing = append(missing, c)
		}
	}
	return missing
}

// Unseen returns the capabilities that the set lacks and without which the tracer sees
// less.
func (s Set) Unseen() []Capability {
	var unseen []Capability
	for _, c := range All {
		if c.Use&Looking != 0 && !s.Has(c.Bit) {
			unseen = append(unseen, c)
		}
	}
	return unseen
}

// Names lists capabilities for people.
func Names(list []Capability) string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

// Lacking lists what is missing without capabilities, for people.
func Lacking(list []Capability) string {
	what := make([]string, len(list))
	for i, c := range list {
		what[i] = c.Without
	}
	return strings.Join(what, "; ")
}

// Setcap returns the command that gives a program file all that it takes to trace with
// no user's rights but its own.
func Setcap(file string, stable bool) string {
	var names []string
	for _, c := range All {
		if !c.Root && (stable || !c.Stable) {
			names = append(names, strings.ToLower(c.Name))
		}
	}
	return fmt.Sprintf("setcap %s=ep %s", strings.Join(names, ","), file)
}
