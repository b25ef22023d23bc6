// Command report reads the output of "go test -json", stores it in a file, and prints a summary:
// the output of failed tests, the skipped tests, the slowest tests, and their number. A skipped
// test is a failure, because a suite that skips what it cannot run would report success for cases
// that were not tested.
//
//	go test -json ./... | report -raw out/suite.jsonl
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	raw := flag.String("raw", "", "store the JSON lines in this `file`")
	none := flag.Bool("notests", false, "succeed without any test")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *raw, *none); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, raw string, none bool) error {
	keep := io.Discard
	if raw != "" {
		f, err := os.Create(raw)
		if err != nil {
			return err
		}
		defer f.Close()
		keep = f
	}
	r, err := read(io.TeeReader(in, keep))
	if err != nil {
		io.Copy(keep, in) // let go test finish, and store its output
		return err
	}
	return r.write(out, none)
}

// event is one line of "go test -json". "go doc test2json" documents the fields.
type event struct {
	Action, Package, Test, ImportPath, Output string
	Elapsed                                   float64
}

type result struct {
	name    string
	seconds float64
	output  string
}

type report struct {
	passed                 int
	failed, skipped, timed []result
	packages               int
}

// read collects the results. Output that belongs to no test of a package that fails (a
// compile error, a panic, a data race) is the package's own.
func read(in io.Reader) (*report, error) {
	r := &report{}
	output := map[string]*strings.Builder{}
	failedBelow := map[string]bool{}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 1<<20), 64<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("not a line of go test -json: %.200s", lines.Text())
		}
		if e.ImportPath != "" { // build-output and build-fail
			e.Package = e.ImportPath
		}
		name := strings.TrimSuffix(e.Package+" "+e.Test, " ")
		if output[name] == nil {
			output[name] = &strings.Builder{}
		}
		switch e.Action {
		case "output", "build-output":
			output[name].WriteString(e.Output)
		case "pass":
			if e.Test == "" {
				r.packages++
				break
			}
			r.passed++
			r.timed = append(r.timed, result{name: name, seconds: e.Elapsed})
		case "fail", "build-fail":
			// A package also fails when one of its tests fails. Then only the test is reported, and
			// the package is reported only if no test failed. The same holds for a test and its
			// subtests.
			parent := e.Package
			if i := strings.LastIndex(e.Test, "/"); i >= 0 {
				parent += " " + e.Test[:i]
			}
			if e.Test != "" {
				failedBelow[parent] = true
				failedBelow[e.Package] = true
			}
			if !failedBelow[name] || e.Test != "" {
				r.failed = append(r.failed, result{name: name, seconds: e.Elapsed, output: output[name].String()})
			}
		case "skip":
			if e.Test != "" { // go test also reports "skip" for a package without tests
				r.skipped = append(r.skipped, result{name: name, seconds: e.Elapsed, output: output[name].String()})
			}
		}
	}
	return r, lines.Err()
}

// write prints the summary and returns an error if a test failed or was skipped, or if no test ran.
func (r *report) write(out io.Writer, none bool) error {
	for _, f := range r.failed {
		fmt.Fprintf(out, "FAIL %s (%.1f s)\n%s", f.name, f.seconds, indent(f.output))
	}
	for _, s := range r.skipped {
		fmt.Fprintf(out, "SKIP %s\n%s", s.name, indent(s.output))
	}
	slices.SortFunc(r.timed, func(a, b result) int { return int(1000 * (b.seconds - a.seconds)) })
	for _, t := range r.timed[:min(5, len(r.timed))] {
		if t.seconds >= 1 {
			fmt.Fprintf(out, "slow %.1f s %s\n", t.seconds, t.name)
		}
	}
	fmt.Fprintf(out, "summary: %d tests passed, %d failed, %d skipped, in %d packages\n", r.passed, len(r.failed),
		len(r.skipped), r.packages)
	switch {
	case len(r.failed) > 0:
		return fmt.Errorf("%d failed", len(r.failed))
	case len(r.skipped) > 0:
		return fmt.Errorf("%d skipped: a test that cannot run here is not a test that passed", len(r.skipped))
	case r.passed == 0 && !none:
		return fmt.Errorf("no test ran")
	}
	return nil
}

func indent(s string) string {
	if s == "" {
		return ""
	}
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ") + "\n"
}
