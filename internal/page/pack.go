package page

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"

	"porttrace/internal/event"
)

// mapsShown is how many port maps the page has: of those with most holds.
const mapsShown = 6

// mapBytes is how long all port maps may be together, compressed. Those that do not fit get
// fewer, wider bins: a page must stay one that opens at once.
const mapBytes = 3 << 20

// mapModel is a port map. Data is zlib, in base64: the held ports in order (16 bits, little
// endian), then for each of them its cells, then for each of them its owners.
type mapModel struct {
	Host     string `json:"host"`
	NetNS    uint32 `json:"netns"`
	Proto    string `json:"proto"`
	Lo       uint16 `json:"lo"`
	Hi       uint16 `json:"hi"`
	Usable   int    `json:"usable"`
	Reserved string `json:"reserved"`
	Holds    int    `json:"holds"`
	Rows     int    `json:"rows"`
	Bins     int    `json:"bins"`
	PerBin   int    `json:"per_bin"` // of the page's bins
	Data     string `json:"data"`
}

// holdsModel are single holds. Data is zlib, in base64; see appendHold.
type holdsModel struct {
	Count        int      `json:"count"`
	PerPort      int      `json:"per_port"`
	Cut          bool     `json:"cut"`
	Unit         float64  `json:"unit"` // of beginnings, in ms
	Destinations []string `json:"destinations"`
	Data         string   `json:"data"`
}

func (c *Collector) addMaps(m *model, owners ownerRanks) error {
	all := slices.Collect(maps.Values(c.spaces))
	slices.SortFunc(all, func(x, y *space) int {
		return cmp.Or(cmp.Compare(y.holds, x.holds), cmp.Compare(x.id.host, y.id.host),
			cmp.Compare(x.id.netns, y.id.netns), cmp.Compare(x.id.proto, y.id.proto))
	})
	all = slices.DeleteFunc(all, func(s *space) bool { return s.rows.count == 0 })
	shown := all[:min(len(all), mapsShown)]
	m.MapsMore = len(all) - len(shown)
	m.Maps = []mapModel{}
	budget := mapBytes
	for _, s := range shown {
		packed, err := s.model(c.time.bins, owners, budget)
		if err != nil {
			return err
		}
		budget -= len(packed.Data)
		m.Maps = append(m.Maps, packed)
	}
	var err error
	m.Holds, err = c.holdsModel(shown, owners)
	return err
}

func (s *space) model(bins int, owners ownerRanks, budget int) (mapModel, error) {
	m := mapModel{
		Host: text(s.id.host), NetNS: s.id.netns, Proto: s.id.proto.String(), Lo: s.lo, Hi: s.hi,
		Usable: s.usable, Reserved: text(s.reserved), Holds: s.holds, Rows: s.rows.count,
	}
	for m.PerBin = 1; ; m.PerBin *= 2 {
		m.Bins = (bins + m.PerBin - 1) / m.PerBin
		data, err := pack(s.cells(m.Bins, m.PerBin, owners))
		if err != nil {
			return m, err
		}
		if m.Data = data; len(data) <= max(budget, 64<<10) || m.Bins <= 8 {
			return m, nil
		}
	}
}

// cells lays out a map. Of bins that are put together, the one with most cover shows. The
// cover has two bits: to the eye that is enough, and it packs better.
func (s *space) cells(bins, perBin int, owners ownerRanks) []byte {
	out := make([]byte, 0, 2*s.rows.count*(1+bins))
	for port := range s.rows.all {
		out = binary.LittleEndian.AppendUint16(out, port)
	}
	ofOwners := make([]byte, 0, s.rows.count*bins)
	for _, row := range s.rows.all {
		for b := range bins {
			best := b * perBin
			for i := best; i < min(best+perBin, maxBins); i++ {
				if row.cells[i].cover() > row.cells[best].cover() {
					best = i
				}
			}
			at := row.cells[best]
			var owner uint8
			if at.cover() > 0 {
				owner = owners.get(row.owners[best])
				at = newCell(at.state(), 1+at.cover()/6)
			} else {
				at = 0
			}
			out, ofOwners = append(out, byte(at)), append(ofOwners, owner)
		}
	}
	return append(out, ofOwners...)
}

// destinationsNamed is how many destinations single holds can name.
const destinationsNamed = 1 << 14

func (c *Collector) holdsModel(shown []*space, owners ownerRanks) (holdsModel, error) {
	m := holdsModel{PerPort: c.recent.ofPort, Cut: c.recent.dropped, Destinations: []string{"", "another"}}
	length := float64(c.time.bins) * float64(c.time.width)
	m.Unit = length / math.MaxUint32 / 1e6
	numbers := map[netip.AddrPort]uint16{{}: 0}
	var data []byte
	for i, s := range shown {
		for _, row := range s.rows.all {
			for _, b := range row.recent.inOrder {
				n, ok := numbers[b.dst]
				switch {
				case ok:
				case len(m.Destinations) < destinationsNamed:
					n = uint16(len(m.Destinations))
					numbers[b.dst] = n
					m.Destinations = append(m.Destinations, b.dst.String())
				default:
					n = 1
				}
				begin := float64(max(b.from-c.time.origin, 0)) / length * math.MaxUint32
				data = appendHold(data, b, byte(i), owners.get(b.party), n, uint32(begin))
				m.Count++
			}
		}
	}
	var err error
	m.Data, err = pack(data)
	return m, err
}

// appendHold lays out a hold, little endian: port (16), map (8), owner (8), path (8),
// reason (8, 255: has not ended), destination (16), pid (32), begin (32), states (16, a bit
// for each), then how long it was in each (float32, ms); without states, its length so.
func appendHold(out []byte, b brief, space, owner byte, dst uint16, begin uint32) []byte {
	le := binary.LittleEndian
	out = le.AppendUint16(out, b.port)
	reason := byte(b.reason)
	if !b.ended {
		reason = 255
	}
	out = append(out, space, owner, byte(b.path), reason)
	out = le.AppendUint16(out, dst)
	out = le.AppendUint32(out, b.pid)
	out = le.AppendUint32(out, begin)
	var mask uint16
	for s := range event.States {
		if b.states[s] > 0 {
			mask |= 1 << s
		}
	}
	out = le.AppendUint16(out, mask)
	if mask == 0 {
		return le.AppendUint32(out, math.Float32bits(float32(float64(b.to-b.from)/1e6)))
	}
	for s := range event.States {
		if b.states[s] > 0 {
			out = le.AppendUint32(out, math.Float32bits(b.states[s]))
		}
	}
	return out
}

func pack(data []byte) (string, error) {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	if _, err := z.Write(data); err != nil {
		return "", fmt.Errorf("compressing the page's data: %w", err)
	}
	if err := z.Close(); err != nil {
		return "", fmt.Errorf("compressing the page's data: %w", err)
	}
	return base64.StdEncoding.EncodeToString(out.Bytes()), nil
}
