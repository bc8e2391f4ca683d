package check

// Level is how urgent it is, by the numbers that monitoring plugins exit with.
type Level uint8

// The levels.
const (
	OK Level = iota
	Warning
	Critical
	Unknown // not everything could be looked at, and what could is well
)

// String returns the name used in JSON.
func (l Level) String() string {
	return [...]string{"ok", "warning", "critical", "unknown"}[min(l, Unknown)]
}

// Thresholds are the shares of a pool in percent from which it is at a level.
type Thresholds struct{ Warn, Crit int }

// Of returns the level of a pool that is so full.
func (t Thresholds) Of(inUse, usable int) Level {
	switch {
	case inUse == 0:
		return OK
	case 100*inUse >= t.Crit*usable:
		return Critical
	case 100*inUse >= t.Warn*usable:
		return Warning
	}
	return OK
}
