package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	t.Parallel()
	const pass = `{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}` + "\n" +
		`{"Action":"pass","Package":"p","Elapsed":0.1}` + "\n"
	for _, tt := range []struct {
		name, in string
		none     bool
		bad      string   // the error; empty: none
		want     []string // in the output
		not      string
	}{
		{"all pass", pass, false, "", []string{"summary: 1 tests passed, 0 failed, 0 skipped, in 1 packages"}, "FAIL"},
		{"a slow test is named", `{"Action":"pass","Package":"p","Test":"TestSlow","Elapsed":2.5}` + "\n", false, "",
			[]string{"slow 2.5 s p TestSlow"}, ""},
		{"a failure shows its output", pass +
			`{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:3: got 1\n"}` + "\n" +
			`{"Action":"fail","Package":"p","Test":"TestB","Elapsed":0}` + "\n" +
			`{"Action":"output","Package":"p","Output":"FAIL\tp\n"}` + "\n" +
			`{"Action":"fail","Package":"p","Elapsed":0}` + "\n",
			false, "1 failed", []string{"FAIL p TestB", "b_test.go:3: got 1"}, "FAIL p (0.0"},
		{"a package that dies without a failing test", `{"Action":"output","Package":"p","Output":"panic: boom\n"}` + "\n" +
			`{"Action":"fail","Package":"p","Elapsed":0}` + "\n",
			false, "1 failed", []string{"FAIL p (0.0 s)", "panic: boom"}, ""},
		{"a package that does not compile",
			`{"ImportPath":"p [p.test]","Action":"build-output","Output":"p.go:1: undefined: x\n"}` + "\n" +
				`{"ImportPath":"p [p.test]","Action":"build-fail"}` + "\n" +
				`{"Action":"fail","Package":"p","Elapsed":0,"FailedBuild":"p [p.test]"}` + "\n",
			false, "2 failed", []string{"undefined: x"}, ""},
		{"a skipped test is a failure", pass + `{"Action":"skip","Package":"p","Test":"TestC","Elapsed":0}` + "\n", false,
			"1 skipped", []string{"SKIP p TestC"}, ""},
		{"a package without tests is not", pass + `{"Action":"skip","Package":"q","Elapsed":0}` + "\n", false, "",
			[]string{"0 skipped"}, "SKIP"},
		{"nothing ran", "", false, "no test ran", nil, ""},
		{"nothing to run", "", true, "", []string{"0 tests passed"}, ""},
		{"not JSON", "go: cannot find module\n", false, "not a line of go test -json: go: cannot find module", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			err := run(strings.NewReader(tt.in), &out, "", tt.none)
			if tt.bad == "" && err != nil {
				t.Errorf("got error %v", err)
			}
			if tt.bad != "" && (err == nil || !strings.Contains(err.Error(), tt.bad)) {
				t.Errorf("got error %v, want one with %q", err, tt.bad)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("output lacks %q:\n%s", want, out.String())
				}
			}
			if tt.not != "" && strings.Contains(out.String(), tt.not) {
				t.Errorf("output has %q:\n%s", tt.not, out.String())
			}
		})
	}
}
