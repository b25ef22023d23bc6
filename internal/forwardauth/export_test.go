package forwardauth

import "time"

// ReadReturn returns the return path in a query.
func ReadReturn(rawQuery string) string { return readReturn(rawQuery) }

// MaxEntries is the limit of cached decisions.
const MaxEntries = maxEntries

// Fill adds n decisions that are valid until a time to a new cache. It returns how many are stored
// afterwards, and whether the last one is among them.
func Fill(n int, until, now time.Time) (held int, last bool) {
	c := newCache()
	var k cacheKey
	for i := range n {
		k = cacheKey{hash: [32]byte{byte(i), byte(i >> 8), byte(i >> 16)}}
		c.put(k, entry{&decision{}, until}, now)
	}
	_, last = c.get(k, now)
	return len(c.entries), last
}
