package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one problem of the configuration. It never repeats a value.
type Problem struct {
	File string // "" = the environment
	Line int    // 0 = the file as a whole
	Key  string // path of the key, such as apps.grafana.subject, or name of the variable; "" = none
	Text string
}

// String returns the problem on one line, as FILE:LINE: KEY: TEXT. Editors jump to such a location.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
		if p.Line > 0 {
			fmt.Fprintf(&b, "%d:", p.Line)
		}
		b.WriteString(" ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	return b.String() + p.Text
}

// Problems are all problems, in the order of the file, with those of the environment last.
type Problems []Problem

// Error returns one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, 0, len(ps))
	for _, p := range ps {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sorted() Problems {
	ps = slices.Clone(ps)
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if a.File != b.File { // one file and the environment; "" goes last
			return cmp.Compare(b.File, a.File)
		}
		return cmp.Compare(a.Line, b.Line)
	})
	return ps
}
