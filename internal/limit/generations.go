package limit

// generations is a map of bounded size: it keeps its entries in two maps, and when the newer one is
// full, it drops the older one. An entry that is used moves to the newer map, so a flood of new keys
// does not drop the entries in use.
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

// put sets the value of a key, which then is in the newer map.
func (g *generations[V]) put(key uint64, v V) {
	if _, isNewer := g.newer[key]; !isNewer && len(g.newer) >= g.max {
		g.older, g.newer = g.newer, map[uint64]V{}
	}
	g.newer[key] = v
}
