package location

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// Set is a list of locations made ready: the address space is cut at every
// border of a network, and each piece knows the class of locations it lies in.
// It is never changed after NewSet.
type Set struct {
	all     []Named
	four    []uint32     // borders, ascending; piece i reaches from four[i] to four[i+1]
	first   [257]int32   // for each first byte, how many borders lie before it
	fourIn  []int32      // the class of each piece
	six     []netip.Addr // likewise
	sixIn   []int32
	classes [][]int // each class: indexes of the network locations that hold it, ascending
}

// NewSet compiles locations. Class 0 is in no network.
func NewSet(all []Named) *Set {
	s := &Set{all: slices.Clone(all), classes: [][]int{nil}}
	known := map[string]int32{"": 0}
	four, fourIn := s.pieces(32, known)
	for _, a := range four {
		b := a.As4()
		s.four = append(s.four, binary.BigEndian.Uint32(b[:]))
	}
	s.fourIn = fourIn
	for b := range s.first {
		at, _ := slices.BinarySearchFunc(s.four, uint64(b)<<24, func(x uint32, y uint64) int { return cmp.Compare(uint64(x), y) })
		s.first[b] = int32(at)
	}
	s.six, s.sixIn = s.pieces(128, known)
	return s
}

// edge is where a range begins or, one address later, has ended.
type edge struct {
	at    netip.Addr
	where int
	enter bool
}

// pieces sweeps over one address family from border to border.
func (s *Set) pieces(bits int, known map[string]int32) (borders []netip.Addr, in []int32) {
	var edges []edge
	for i := range s.all {
		if s.all[i].Kind != Networks {
			continue
		}
		for _, r := range s.all[i].Ranges {
			if r.From.BitLen() != bits {
				continue
			}
			edges = append(edges, edge{r.From, i, true})
			if after := r.To.Next(); after.IsValid() {
				edges = append(edges, edge{after, i, false})
			}
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return a.at.Compare(b.at) })
	inside := map[int]int{} // a location's ranges may overlap each other
	for i, e := range edges {
		if e.enter {
			inside[e.where]++
		} else if inside[e.where]--; inside[e.where] == 0 {
			delete(inside, e.where)
		}
		if i+1 < len(edges) && edges[i+1].at == e.at {
			continue
		}
		borders, in = append(borders, e.at), append(in, s.class(inside, known))
	}
	return borders, in
}

func (s *Set) class(inside map[int]int, known map[string]int32) int32 {
	members := make([]int, 0, len(inside))
	for i := range inside {
		members = append(members, i)
	}
	sort.Ints(members)
	var key strings.Builder
	for _, m := range members {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(m))
		key.Write(b[:])
	}
	c, ok := known[key.String()]
	if !ok {
		c = int32(len(s.classes))
		s.classes = append(s.classes, members)
		known[key.String()] = c
	}
	return c
}

// Classes is the number of classes; Members are the network locations of one,
// as indexes into what NewSet was given.
func (s *Set) Classes() int { return len(s.classes) }

// Members is told at Classes.
func (s *Set) Members(class int) []int { return s.classes[class] }

// Class finds the class of an address; one that is not known is in no network.
func (s *Set) Class(a netip.Addr) int {
	switch {
	case a.Is4() || a.Is4In6():
		b := a.Unmap().As4()
		return s.classOf4(binary.BigEndian.Uint32(b[:]))
	case a.Is6():
		a = a.WithZone("")
		low, high := 0, len(s.six)
		for low < high {
			mid := int(uint(low+high) / 2)
			if a.Less(s.six[mid]) {
				high = mid
			} else {
				low = mid + 1
			}
		}
		if low > 0 {
			return int(s.sixIn[low-1])
		}
	}
	return 0
}

func (s *Set) classOf4(a uint32) int {
	low, high := int(s.first[a>>24]), int(s.first[a>>24+1])
	for low < high {
		mid := int(uint(low+high) / 2)
		if a < s.four[mid] {
			high = mid
		} else {
			low = mid + 1
		}
	}
	if low > 0 {
		return int(s.fourIn[low-1])
	}
	return 0
}

// Match lists every location, as an index, that an address or its country is in.
func (s *Set) Match(a netip.Addr, country string) []int {
	found := slices.Clone(s.Members(s.Class(a)))
	for i := range s.all {
		if s.all[i].ContainsCountry(country) {
			found = append(found, i)
		}
	}
	sort.Ints(found)
	return found
}
