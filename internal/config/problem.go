package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with the configuration. It never repeats a value.
type Problem struct {
	File string // "" = the environment
	Line int    // 0 = the file as a whole
	Key  string // the path of the key such as apps.grafana.subject, or the name of the variable; "" = none
	What string // what is wrong, and what to write instead
}

// String is the problem on one line, in the form that editors jump to.
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
	return b.String() + p.What
}

// Problems is all that is wrong, in the order of the file; what is wrong in the environment comes last. As an error it has a line for each.
type Problems []Problem

// Error lists the problems, a line for each.
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
