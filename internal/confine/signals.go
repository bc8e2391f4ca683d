//go:build !cgo

package confine

// signals that do not say which process they go to; Go's runtime sends others.
var signals = []string{"tkill"}
