package owner

import (
	"strconv"
	"strings"

	"porttrace/internal/lifetime"
)

// users are the names in /etc/passwd. Those that only a service knows (LDAP, systemd's
// dynamic users) would take the C library's or a daemon's help, which a static binary that
// gives up its privileges has not.
type users struct {
	root  string
	stamp stamp
	names map[uint32]lifetime.Interned[string]
}

func (u *users) name(uid uint32) lifetime.Interned[string] {
	if path := u.root + "/etc/passwd"; u.stamp.isNews(path) {
		text, _ := readFile(path, longestFile) // none: nobody has a name
		u.names = parsePasswd(string(text))
	}
	return u.names[uid]
}

// parsePasswd takes the first name of each uid, as getpwuid(3) does.
func parsePasswd(text string) map[uint32]lifetime.Interned[string] {
	names := map[uint32]lifetime.Interned[string]{}
	for line := range strings.Lines(text) {
		// name:password:uid:gid:...  (passwd(5)); "+" and "-" lines are of NIS
		fields := strings.SplitN(line, ":", 4)
		if len(fields) < 4 || fields[0] == "" || strings.ContainsAny(fields[0][:1], "+-#") || len(names) >= mostNames {
			continue
		}
		uid, err := strconv.ParseUint(fields[2], 10, 32)
		if _, known := names[uint32(uid)]; err == nil && !known {
			names[uint32(uid)] = lifetime.Intern(bounded(fields[0]))
		}
	}
	return names
}
