package recording

import "porttrace/internal/lifetime"

// AppendHold appends a hold as it stands as one JSON object, without a newline: the hold
// fields of a record, and its state.
func AppendHold(dst []byte, h *lifetime.Hold) []byte {
	opening := len(dst)
	dst = appendHold(dst, "", &lifetime.Record{Hold: h}, nil)
	dst[opening] = '{' // in place of the comma
	return append(appendState(dst, `,"state":`, h.State), '}')
}

// AppendText appends text of any bytes as records have it: a JSON string from which the
// bytes can be had back, null for "".
func AppendText(dst []byte, s string) []byte { return appendText(dst, "", s) }

// AppendPlace appends what records say of a place, as members that begin with a comma.
func AppendPlace(dst []byte, p lifetime.Place) []byte { return appendPlace(dst, p) }
