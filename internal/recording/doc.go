// Package recording keeps a trace as JSON Lines, schema 1, and reads it back: the
// writer is a sink, the reader a source of the same records, and writing then reading
// is identity over what the schema keeps.
//
// A File is made for disks that fill up, stall or break: see there. It may come in parts,
// numbered from 1 in their start records; the newest one has the name given, and what is
// missing in any of them is told by lost records whose place is "recording".
//
// All times of a record are by the clock of its own time: a clock record says that it was
// set. None of these is ever missing, though others may be.
//
// What the schema does not keep reads as unknown: Hold.State of assign records (BOUND),
// Hold.Search of all but assign records (-1), Hold.States of all but release and
// held-at-end records, every owner field where the PID is unknown, and the zone of an
// address. Negative "unknown" values read as -1, an assign rate that is no number as 0.
// Hold.State of a release record is the one of no time in "states", else the furthest
// one there.
//
// What came with later versions, most of what is known of an owner, is left out of a line
// where it is unknown, rather than null; so recordings from before read as they did.
//
// Strings come from the kernel and from other people's programs: any bytes. They are
// written so that each line is plain JSON without raw control characters (C0, DEL, C1,
// U+2028 and U+2029 are escaped). A byte that is no part of valid UTF-8 is written as
// the lone surrogate \udcXX, XX being the byte, as Python's surrogateescape does, and
// the reader turns it back into that byte. No valid string contains a lone surrogate,
// so the two never meet.
//
// Newer writers: a record of unknown type is skipped, as is an unknown field. Where a
// name (path, reason, protocol) is not known it reads as the zero value, unknown; a
// cause, an errno or a place of loss stays the text it is. BOUND is the zero state, so
// a state record of an unknown state is skipped rather than told wrong, unknown names
// in "states" are left out, and only a held record falls back to BOUND. A start record
// of a newer schema is an error.
//
// Lines about holds that are laid out just as the writer does it, nearly all of a
// recording, are read by comparing bytes with what is expected there; all others, by a
// strict scanner of JSON. Which of the two reads a line makes no difference but in time.
package recording

// Schema is the version of the recording's format that this package writes and reads.
const Schema = 1

// maxLine is the longest line a Reader takes, and so the longest a Writer makes,
// in bytes with its newline.
const maxLine = 1 << 20
