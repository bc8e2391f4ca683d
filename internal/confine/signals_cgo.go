//go:build cgo

package confine

// signals: a build with cgo makes every thread do something by tkill (libpsx), which does
// not say whose thread it means. Released programs are built without.
var signals []string
