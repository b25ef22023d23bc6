// Command report reads the output of "go test -json" from standard input. It stores the output in a
// file and prints a summary: the output of failed and skipped tests, the slowest tests, and the
// number of tests. "make test" calls it.
//
// It exits with status 1 if a test failed or was skipped, or if no test ran. A skipped test has
// tested nothing, so the run must not count as a success. With -notests, a run without any test is a
// success.
//
//	go test -json ./... | report -raw out/suite.jsonl
package main

import (
	"bufio"
	"cmp"
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
	allowNone := flag.Bool("notests", false, "succeed without any test")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *raw, *allowNone); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, raw string, allowNone bool) error {
	stored := io.Discard
	if raw != "" {
		f, err := os.Create(raw)
		if err != nil {
			return err
		}
		defer f.Close()
		stored = f
	}
	r, err := read(io.TeeReader(in, stored))
	if err != nil {
		io.Copy(stored, in) // read and store the rest: go test would block on a full pipe
		return err
	}
	return r.write(out, allowNone)
}

// event is one line of "go test -json". "go doc test2json" documents the fields.
type event struct {
	Action, Package, Test, ImportPath, Output string
	Elapsed                                   float64
}

// result is the result of a test or of a package.
type result struct {
	name    string // "PACKAGE TEST", or "PACKAGE" for the package itself
	seconds float64
	output  string
}

// report has the results of all tests.
type report struct {
	passed   int
	failed   []result
	skipped  []result
	timed    []result // the tests that passed, with their times and without their output
	packages int      // packages that passed
}

// read collects the results. Some output belongs to no test, such as a compile error. It becomes
// the output of the package.
func read(in io.Reader) (*report, error) {
	r := &report{}
	output := map[string]*strings.Builder{}
	hasFailedTest := map[string]bool{} // by package
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 1<<20), 64<<20) // a test may print a line of megabytes
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("not a line of go test -json: %.200s", lines.Text())
		}
		if e.ImportPath != "" { // the actions build-output and build-fail have no Package
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
			// When a test fails, "go test" reports its package as failed too. That failure is not
			// listed again. A package that fails without a failed test is listed: for example,
			// it does not compile.
			if e.Test != "" {
				hasFailedTest[e.Package] = true
			}
			if e.Test != "" || !hasFailedTest[e.Package] {
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
func (r *report) write(out io.Writer, allowNone bool) error {
	for _, f := range r.failed {
		fmt.Fprintf(out, "FAIL %s (%.1f s)\n%s", f.name, f.seconds, indent(f.output))
	}
	for _, s := range r.skipped {
		fmt.Fprintf(out, "SKIP %s\n%s", s.name, indent(s.output))
	}
	const slowest = 5 // how many slow tests are printed
	slices.SortFunc(r.timed, func(a, b result) int { return cmp.Compare(b.seconds, a.seconds) })
	for _, t := range r.timed[:min(slowest, len(r.timed))] {
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
	case r.passed == 0 && !allowNone:
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
