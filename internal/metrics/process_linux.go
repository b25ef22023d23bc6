package metrics

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// ticks is how many of /proc's ticks are a second, on every Linux.
const ticks = 100

// process reads what the system tells of this process. What cannot be read is left out.
func process() (all []sample) {
	add := func(name, kind, help string, v float64) { all = append(all, sample{"process_" + name, kind, help, v}) }
	if stat := procStat(); len(stat) > 21 {
		add("cpu_seconds_total", counter, "Total user and system CPU time spent in seconds.", (stat[11]+stat[12])/ticks)
		add("virtual_memory_bytes", gauge, "Virtual memory size in bytes.", stat[20])
		add("resident_memory_bytes", gauge, "Resident memory size in bytes.", stat[21]*float64(os.Getpagesize()))
		if booted := bootTime(); booted > 0 {
			add("start_time_seconds", gauge, "Start time of the process since unix epoch in seconds.", booted+stat[19]/ticks)
		}
	}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		add("open_fds", gauge, "Number of open file descriptors.", float64(len(open)))
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		add("max_fds", gauge, "Maximum number of open file descriptors.", float64(limit.Cur))
	}
	if syscall.Getrlimit(syscall.RLIMIT_AS, &limit) == nil {
		add("virtual_memory_max_bytes", gauge, "Maximum amount of virtual memory available in bytes.", float64(limit.Cur))
	}
	received, sent := octets()
	add("network_receive_bytes_total", counter, "Number of bytes received by the process over the network.", received)
	add("network_transmit_bytes_total", counter, "Number of bytes sent by the process over the network.", sent)
	return all
}

// procStat reads the numbers of /proc/self/stat from the state on, which is field 3 in proc(5): field n is at n-3.
func procStat() (numbers []float64) {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may hold anything
	for _, f := range strings.Fields(rest) {
		n, _ := strconv.ParseFloat(f, 64) // the state is a letter
		numbers = append(numbers, n)
	}
	return numbers
}

// bootTime reads when the system started, in seconds since 1970; 0 = not known.
func bootTime() float64 {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	for l := range strings.Lines(string(text)) {
		if when, ok := strings.CutPrefix(l, "btime "); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(when), 64)
			return n
		}
	}
	return 0
}

// octets reads what went over the network. Linux counts by network namespace, not by process: in a container it is the container.
func octets() (received, sent float64) {
	text, err := os.ReadFile("/proc/self/net/netstat")
	if err != nil {
		return 0, 0
	}
	var names []string
	for l := range strings.Lines(string(text)) {
		f := strings.Fields(l)
		if len(f) == 0 || f[0] != "IpExt:" {
			continue
		}
		if names == nil { // the first line has the names, the second the numbers
			names = f
			continue
		}
		for i := range min(len(f), len(names)) {
			n, _ := strconv.ParseFloat(f[i], 64)
			switch names[i] {
			case "InOctets":
				received = n
			case "OutOctets":
				sent = n
			}
		}
	}
	return received, sent
}
