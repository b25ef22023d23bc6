package limit

// generations is a map of bounded size. It keeps its entries in two maps. When the newer map is
// full, this map becomes the older map, and the previous older map is dropped. The method put moves
// an entry to the newer map. So if each use of an entry calls put, a flood of new keys does not
// drop the entries in use.
type generations[V any] struct {
	newer, older map[uint64]V
	max          int // entries of each map
}

func newGenerations[V any](limit int) generations[V] {
	return generations[V]{newer: map[uint64]V{}, max: limit}
}

// get returns the value of a key.
func (g *generations[V]) get(key uint64) (V, bool) {
	if v, found := g.newer[key]; found {
		return v, true
	}
	v, found := g.older[key]
	return v, found
}

// put sets the value of a key, in the newer map.
func (g *generations[V]) put(key uint64, v V) {
	if _, isNewer := g.newer[key]; !isNewer && len(g.newer) >= g.max {
		g.older, g.newer = g.newer, map[uint64]V{}
	}
	g.newer[key] = v
}
