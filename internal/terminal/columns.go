package terminal

import "slices"

// columnID names a column, in the order that the table has without being told.
type columnID uint8

const (
	colTime columnID = iota
	colEvent
	colProto
	colPort
	colPath
	colOwner
	colUID
	colUser
	colWhere
	colUnit
	colUserUnit
	colContainer
	colContainerName
	colPod
	colCgroup
	colExe
	colCmdline
	colNetNS
	colNetNSName
	colSrc
	colDst
	colWhat
)

// kind is what a column is like. Those that show what others named, of any length, are cut
// where they find no room. WHAT chooses its words by the room there is.
type kind struct {
	name, title string
	width, most int // usually, and widened
	cut         bool
}

var kinds = [...]kind{
	colTime:          {name: "time", title: "TIME", width: len(seconds)},
	colEvent:         {name: "event", title: "EVENT", width: len("release")},
	colProto:         {name: "proto", title: "PRO", width: len("tcp")},
	colPort:          {name: "port", title: "PORT", width: len("60568")},
	colPath:          {name: "path", title: "PATH", width: len("udp-connect")},
	colOwner:         {name: "owner", title: "OWNER", width: 18, most: 24},
	colUID:           {name: "uid", title: "UID", width: 5, most: 10},
	colUser:          {name: "user", title: "USER", width: 10, most: 20, cut: true},
	colWhere:         {name: "where", title: "WHERE", width: 18, most: 40, cut: true},
	colUnit:          {name: "unit", title: "UNIT", width: 18, most: 40, cut: true},
	colUserUnit:      {name: "user_unit", title: "USER_UNIT", width: 18, most: 40, cut: true},
	colContainer:     {name: "container", title: "CONTAINER", width: 12, most: 24, cut: true},
	colContainerName: {name: "container_name", title: "CONTAINER_NAME", width: 16, most: 40, cut: true},
	colPod:           {name: "pod", title: "POD", width: 24, most: 60, cut: true},
	colCgroup:        {name: "cgroup", title: "CGROUP", width: 30, most: 100, cut: true},
	colExe:           {name: "exe", title: "EXE", width: 20, most: 60, cut: true},
	colCmdline:       {name: "cmdline", title: "CMDLINE", width: 30, most: 100, cut: true},
	colNetNS:         {name: "netns", title: "NETNS", width: len("4026531840")},
	colNetNSName:     {name: "netns_name", title: "NETNS_NAME", width: 10, most: 40, cut: true},
	colSrc:           {name: "src", title: "SRC", width: 15, most: 40},
	colDst:           {name: "dst", title: "DST", width: 19, most: 48},
	colWhat:          {name: "what", title: "WHAT", width: whatMedium, most: whatHuge},
}

// leastText is what a column that is cut is left with on a narrow terminal.
const leastText = 8

// ColumnNames returns the names of all columns that Options.Columns may have.
func ColumnNames() []string {
	names := make([]string, len(kinds))
	for id := range kinds {
		names[id] = kinds[id].name
	}
	return names
}

// columnsOf returns the columns of these names, without those that there are not.
func columnsOf(names []string) (ids []columnID) {
	for _, name := range names {
		if id := slices.IndexFunc(kinds[:], func(k kind) bool { return k.name == name }); id >= 0 {
			ids = append(ids, columnID(id))
		}
	}
	return ids
}
