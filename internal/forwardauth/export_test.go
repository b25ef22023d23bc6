package forwardauth

import "time"

// MaxEntries is how many verdicts the cache holds.
const MaxEntries = maxEntries

// Fill puts n verdicts into a new cache, all of them good until until, and says how many it holds
// then, and whether the last is among them.
func Fill(n int, until, now time.Time) (held int, last bool) {
	c := newCache()
	var k key
	for i := range n {
		k = key{hash: [32]byte{byte(i), byte(i >> 8), byte(i >> 16)}}
		c.put(k, entry{&decision{}, until}, now)
	}
	_, last = c.fresh(k, now)
	return len(c.entries), last
}
