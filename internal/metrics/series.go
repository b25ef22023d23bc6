package metrics

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// series are the time series of one name, one for each combination of the labels' values.
type series struct {
	name, help string
	labels     []string
	bounds     []float64 // of a histogram's buckets, rising; nil = a counter

	mu   sync.RWMutex
	made map[string]*serie
}

// serie is a counter: counts has one element. Or it is a histogram: counts has one for each bucket and one for what is above all of them.
type serie struct {
	values []string
	counts []atomic.Uint64
	sum    atomic.Uint64 // bits of a float64
}

// of returns the serie of the labels' values, which come in the order of the labels.
func (s *series) of(values ...string) *serie {
	if len(values) != len(s.labels) {
		panic("metrics: " + s.name + " has other labels")
	}
	var room [128]byte
	key := room[:0]
	for _, v := range values {
		key = append(append(key, v...), 0xff) // no byte of UTF-8
	}
	s.mu.RLock()
	found := s.made[string(key)]
	s.mu.RUnlock()
	if found != nil {
		return found
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found = s.made[string(key)]; found == nil {
		found = &serie{values: slices.Clone(values), counts: make([]atomic.Uint64, len(s.bounds)+1)}
		s.made[string(key)] = found
	}
	return found
}

// count counts one.
func (s *series) count(values ...string) { s.of(values...).counts[0].Add(1) }

// observe puts a value into its bucket.
func (s *series) observe(v float64, values ...string) {
	one := s.of(values...)
	bucket, _ := slices.BinarySearch(s.bounds, v)
	one.counts[bucket].Add(1)
	for {
		was := one.sum.Load()
		if one.sum.CompareAndSwap(was, math.Float64bits(math.Float64frombits(was)+v)) {
			return
		}
	}
}

// write appends the series to b, in Prometheus' text format. Series that nobody counted in have no lines.
func (s *series) write(b *bytes.Buffer) {
	s.mu.RLock()
	all := make([]*serie, 0, len(s.made))
	for _, one := range s.made {
		all = append(all, one)
	}
	s.mu.RUnlock()
	if len(all) == 0 {
		return
	}
	slices.SortFunc(all, func(x, y *serie) int { return slices.Compare(x.values, y.values) })
	kind := "counter"
	if s.bounds != nil {
		kind = "histogram"
	}
	header(b, s.name, kind, s.help)
	for _, one := range all {
		var pairs []string
		for i, l := range s.labels {
			pairs = append(pairs, l+`="`+escape(one.values[i], true)+`"`)
		}
		slices.Sort(pairs)
		one.write(b, s.name, pairs, s.bounds)
	}
}

func (one *serie) write(b *bytes.Buffer, name string, pairs []string, bounds []float64) {
	if bounds == nil {
		line(b, name, pairs, float64(one.counts[0].Load()))
		return
	}
	total := uint64(0)
	for i := range one.counts {
		le := "+Inf"
		if i < len(bounds) {
			le = number(bounds[i])
		}
		total += one.counts[i].Load()
		line(b, name+"_bucket", append(slices.Clip(pairs), `le="`+le+`"`), float64(total))
	}
	line(b, name+"_sum", pairs, math.Float64frombits(one.sum.Load()))
	line(b, name+"_count", pairs, float64(total))
}

func header(b *bytes.Buffer, name, kind, help string) {
	b.WriteString("# HELP " + name + " " + escape(help, false) + "\n# TYPE " + name + " " + kind + "\n")
}

func line(b *bytes.Buffer, name string, pairs []string, v float64) {
	b.WriteString(name)
	if len(pairs) > 0 {
		b.WriteString("{" + strings.Join(pairs, ",") + "}")
	}
	b.WriteString(" " + number(v) + "\n")
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// escape is what the text format asks for; quotes only in a label's value.
func escape(s string, quotes bool) string {
	s = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(s)
	if quotes {
		s = strings.ReplaceAll(s, `"`, `\"`)
	}
	return s
}
