package metrics

import (
	"bytes"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// sample is a value of the process, read when Prometheus asks.
type sample struct {
	name, kind, help string
	value            float64
}

const (
	gauge   = "gauge"
	counter = "counter"
)

// writeRuntime appends what Go's runtime tells of itself, under the names that every Go program has.
func writeRuntime(b *bytes.Buffer) {
	writePauses(b)
	header(b, "go_info", gauge, "Information about the Go environment.")
	line(b, "go_info", []string{`version="` + escape(runtime.Version(), true) + `"`}, 1)
	threads, _ := runtime.ThreadCreateProfile(nil)
	gogc := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(gogc)
	writeSamples(b, []sample{
		{"go_gc_gogc_percent", gauge, "Heap size target percentage configured by the user, otherwise 100. This value is set by the GOGC environment variable, and the runtime/debug.SetGCPercent function. Sourced from /gc/gogc:percent.", float64(gogc[0].Value.Uint64())},
		{"go_gc_gomemlimit_bytes", gauge, "Go runtime memory limit configured by the user, otherwise math.MaxInt64. This value is set by the GOMEMLIMIT environment variable, and the runtime/debug.SetMemoryLimit function. Sourced from /gc/gomemlimit:bytes.", float64(debug.SetMemoryLimit(-1))},
		{"go_goroutines", gauge, "Number of goroutines that currently exist.", float64(runtime.NumGoroutine())},
		{"go_sched_gomaxprocs_threads", gauge, "The current runtime.GOMAXPROCS setting, or the number of operating system threads that can execute user-level Go code simultaneously. Sourced from /sched/gomaxprocs:threads.", float64(runtime.GOMAXPROCS(0))},
		{"go_threads", gauge, "Number of OS threads created.", float64(threads)},
	})
	writeMemory(b)
}

// writePauses appends how long the garbage collector stopped the program.
func writePauses(b *bytes.Buffer) {
	stats := debug.GCStats{PauseQuantiles: make([]time.Duration, 5)}
	debug.ReadGCStats(&stats)
	const name = "go_gc_duration_seconds"
	header(b, name, "summary", "A summary of the wall-time pause (stop-the-world) duration in garbage collection cycles.")
	for i, q := range stats.PauseQuantiles {
		line(b, name, []string{`quantile="` + number(float64(i)/4) + `"`}, q.Seconds())
	}
	line(b, name+"_sum", nil, stats.PauseTotal.Seconds())
	line(b, name+"_count", nil, float64(stats.NumGC))
}

func writeMemory(b *bytes.Buffer) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	for _, v := range []struct {
		name, kind, help string
		value            uint64
	}{
		{"alloc_bytes", gauge, "Number of bytes allocated in heap and currently in use. Equals to /memory/classes/heap/objects:bytes.", m.Alloc},
		{"alloc_bytes_total", counter, "Total number of bytes allocated in heap until now, even if released already. Equals to /gc/heap/allocs:bytes.", m.TotalAlloc},
		{"buck_hash_sys_bytes", gauge, "Number of bytes used by the profiling bucket hash table. Equals to /memory/classes/profiling/buckets:bytes.", m.BuckHashSys},
		{"frees_total", counter, "Total number of heap objects frees. Equals to /gc/heap/frees:objects + /gc/heap/tiny/allocs:objects.", m.Frees},
		{"gc_sys_bytes", gauge, "Number of bytes used for garbage collection system metadata. Equals to /memory/classes/metadata/other:bytes.", m.GCSys},
		{"heap_alloc_bytes", gauge, "Number of heap bytes allocated and currently in use, same as go_memstats_alloc_bytes. Equals to /memory/classes/heap/objects:bytes.", m.HeapAlloc},
		{"heap_idle_bytes", gauge, "Number of heap bytes waiting to be used. Equals to /memory/classes/heap/released:bytes + /memory/classes/heap/free:bytes.", m.HeapIdle},
		{"heap_inuse_bytes", gauge, "Number of heap bytes that are in use. Equals to /memory/classes/heap/objects:bytes + /memory/classes/heap/unused:bytes", m.HeapInuse},
		{"heap_objects", gauge, "Number of currently allocated objects. Equals to /gc/heap/objects:objects.", m.HeapObjects},
		{"heap_released_bytes", gauge, "Number of heap bytes released to OS. Equals to /memory/classes/heap/released:bytes.", m.HeapReleased},
		{"heap_sys_bytes", gauge, "Number of heap bytes obtained from system. Equals to /memory/classes/heap/objects:bytes + /memory/classes/heap/unused:bytes + /memory/classes/heap/released:bytes + /memory/classes/heap/free:bytes.", m.HeapSys},
		{"mallocs_total", counter, "Total number of heap objects allocated, both live and gc-ed. Semantically a counter version for go_memstats_heap_objects gauge. Equals to /gc/heap/allocs:objects + /gc/heap/tiny/allocs:objects.", m.Mallocs},
		{"mcache_inuse_bytes", gauge, "Number of bytes in use by mcache structures. Equals to /memory/classes/metadata/mcache/inuse:bytes.", m.MCacheInuse},
		{"mcache_sys_bytes", gauge, "Number of bytes used for mcache structures obtained from system. Equals to /memory/classes/metadata/mcache/inuse:bytes + /memory/classes/metadata/mcache/free:bytes.", m.MCacheSys},
		{"mspan_inuse_bytes", gauge, "Number of bytes in use by mspan structures. Equals to /memory/classes/metadata/mspan/inuse:bytes.", m.MSpanInuse},
		{"mspan_sys_bytes", gauge, "Number of bytes used for mspan structures obtained from system. Equals to /memory/classes/metadata/mspan/inuse:bytes + /memory/classes/metadata/mspan/free:bytes.", m.MSpanSys},
		{"next_gc_bytes", gauge, "Number of heap bytes when next garbage collection will take place. Equals to /gc/heap/goal:bytes.", m.NextGC},
		{"other_sys_bytes", gauge, "Number of bytes used for other system allocations. Equals to /memory/classes/other:bytes.", m.OtherSys},
		{"stack_inuse_bytes", gauge, "Number of bytes obtained from system for stack allocator in non-CGO environments. Equals to /memory/classes/heap/stacks:bytes.", m.StackInuse},
		{"stack_sys_bytes", gauge, "Number of bytes obtained from system for stack allocator. Equals to /memory/classes/heap/stacks:bytes + /memory/classes/os-stacks:bytes.", m.StackSys},
		{"sys_bytes", gauge, "Number of bytes obtained from system. Equals to /memory/classes/total:byte.", m.Sys},
	} {
		writeSamples(b, []sample{{"go_memstats_" + v.name, v.kind, v.help, float64(v.value)}})
	}
	last := 0.0
	if m.LastGC != 0 {
		last = math.Round(float64(m.LastGC)/1e6) / 1e3
	}
	writeSamples(b, []sample{{"go_memstats_last_gc_time_seconds", gauge, "Number of seconds since 1970 of last garbage collection.", last}})
}

func writeSamples(b *bytes.Buffer, all []sample) {
	for _, s := range all {
		header(b, s.name, s.kind, s.help)
		line(b, s.name, nil, s.value)
	}
}
