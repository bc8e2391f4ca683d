// Package iana answers what the Internet Assigned Numbers Authority says of a port: the
// class of its number and the service it is assigned to (RFC 6335).
package iana

import (
	_ "embed"
	"strconv"
	"strings"
)

// services is one line a port, in order: "port TAB name", or, where the two protocols
// differ, "port TAB tcp name TAB udp name" with "-" for none. The first line is empty,
// so that every port follows a newline.
//
// The data are those of the IANA Service Name and Transport Protocol Port Number
// Registry (RFC 6335; IANA offers it under CC0), by way of the copy in github.com/gopacket/gopacket
// v1.7.7, layers/iana_ports.go, which keeps the first name of each port and leaves out
// rows that span several. Put back: x11 6000-6063 and swx 7300-7359. Of the two names
// assigned to 2049 it is nfs that anyone means.
//
//go:embed services.txt
var services string

// The classes of port numbers (RFC 6335, section 6).
const (
	System  = "system"  // 0-1023
	User    = "user"    // 1024-49151
	Dynamic = "dynamic" // 49152-65535, never assigned
)

// Class returns the class of a port number: System, User or Dynamic.
func Class(port uint16) string {
	switch {
	case port < 1024:
		return System
	case port < 49152:
		return User
	}
	return Dynamic
}

// Bounds returns the first and the last port of a class, 0 and 0 for an unknown one.
func Bounds(class string) (lo, hi uint16) {
	switch class {
	case System:
		return 0, 1023
	case User:
		return 1024, 49151
	case Dynamic:
		return 49152, 65535
	}
	return 0, 0
}

// Service returns the name of the service that the registry assigns to a port for proto,
// "tcp" or "udp", and "" where there is none. It searches some 100 KB of text: some
// microseconds, nothing for a hot path.
func Service(port uint16, proto string) string {
	if proto != "tcp" && proto != "udp" {
		return ""
	}
	_, line, found := strings.Cut(services, "\n"+strconv.Itoa(int(port))+"\t")
	if !found {
		return ""
	}
	line, _, _ = strings.Cut(line, "\n")
	name, udp, differ := strings.Cut(line, "\t")
	if differ && proto == "udp" {
		name = udp
	}
	if name == "-" {
		return ""
	}
	return name
}
