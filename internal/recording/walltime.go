package recording

import "porttrace/internal/ktime"

// appendWall writes RFC 3339 in UTC with nine decimals, by hand because it is the
// dearest part of a record.
func appendWall(dst []byte, key string, w ktime.Wall) []byte {
	if w == 0 {
		return appendNull(dst, key)
	}
	dst = append(dst, key...)
	dst = append(dst, wallText...)
	const day = 24 * 60 * 60
	seconds, ns := floor(int64(w), 1e9)
	days, second := floor(seconds, day)
	year, month, dayOfMonth := civil(days)
	text := dst[len(dst)-len(wallText)+1:]
	putTwo(text[0:], year/100)
	putTwo(text[2:], year%100)
	putTwo(text[5:], month)
	putTwo(text[8:], dayOfMonth)
	putTwo(text[11:], second/3600)
	putTwo(text[14:], second/60%60)
	putTwo(text[17:], second%60)
	text[20] = byte('0' + ns/1e8)
	putTwo(text[21:], ns/1e6%100)
	putTwo(text[23:], ns/1e4%100)
	putTwo(text[25:], ns/100%100)
	putTwo(text[27:], ns%100)
	return dst
}

// floor divides, and rounds towards the past.
func floor(v, by int64) (quotient, rest int64) {
	quotient, rest = v/by, v%by
	if rest < 0 {
		return quotient - 1, rest + by
	}
	return quotient, rest
}

// civil is the date of a day since 1970, which a Wall cannot take out of the years 1677
// to 2262. Years begin in March here, so that the leap day is the last; 400 of them have
// 146,097 days (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
func civil(days int64) (year, month, day int64) {
	days += 719_468 // since 0000-03-01
	era, inEra := days/146_097, days%146_097
	inYear := (inEra - inEra/1460 + inEra/36_524 - inEra/146_096) / 365
	inDays := inEra - (365*inYear + inYear/4 - inYear/100)
	fromMarch := (5*inDays + 2) / 153
	year, month, day = era*400+inYear, fromMarch+3, inDays-(153*fromMarch+2)/5+1
	if month > 12 {
		return year + 1, month - 12, day
	}
	return year, month, day
}

const pairs = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849" +
	"5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

func putTwo(dst []byte, v int64) {
	_ = dst[1]
	dst[0], dst[1] = pairs[2*v], pairs[2*v+1]
}
