package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/filemode"
	"github.com/weigate/weigate/internal/lang"
)

// maxFile limits the size of a configuration file.
const maxFile = 1 << 20

// Load reads the configuration file at path. Environment variables have priority over the file.
// getenv returns them, as os.Getenv does; nil means an empty environment.
//
// If the content is invalid, the error is of type [Problems] and lists every problem. A file that
// other users of the machine can change is a problem too, and so is a file whose secrets they can
// read. If the file does not exist, the error wraps fs.ErrNotExist.
func Load(path string, getenv func(string) string) (*Config, error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, lang.Errorf("configuration file %s: %w", path, fs.ErrNotExist)
	case err != nil:
		return nil, lang.Errorf("open the configuration file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat() // of the file that was opened: path may be replaced meanwhile
	if err != nil {
		return nil, lang.Errorf("read the configuration file: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, lang.Errorf("read the configuration file: %w", err)
	}
	return read(path, text, info, getenv)
}

// Parse is [Load] for a configuration in memory. name replaces the path of the file. Problems begin
// with name, and relative paths in the configuration are relative to the folder of name.
func Parse(name string, text []byte, getenv func(string) string) (*Config, error) {
	return read(name, text, nil, getenv)
}

// read parses a configuration. info describes its file; nil = the configuration is not from a file.
func read(name string, text []byte, info fs.FileInfo, getenv func(string) string) (*Config, error) {
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	r := &reader{file: name, getenv: getenv}
	root, ok := r.parse(text)
	var c *Config
	if ok {
		c = r.config(root)
	}
	if info != nil {
		r.checkMode(info)
		value{reader: r}.warnForeign(name, info)
	}
	if len(r.problems) > 0 {
		return nil, r.problems.sorted()
	}
	c.Warnings = r.warnings.sorted()
	return c, nil
}

// checkMode rejects a file that other users of the machine can change. If the file has secrets, it
// also rejects a file that all users can read.
func (r *reader) checkMode(info fs.FileInfo) {
	if err := filemode.Check(r.file, info, r.hasSecrets); err != nil {
		value{reader: r}.reject("%s %s", err, filemode.Quote(r.file))
	}
}

// warnForeign warns of a file that belongs to another user of the machine, who can change it. It does
// not reject the file: that user may be the one who deploys the gateway.
func (v value) warnForeign(path string, info fs.FileInfo) {
	if owner, foreign := filemode.Foreign(path, info); foreign {
		v.warn("the file belongs to the user %d, who can change it: chown it to root or to the gateway's user", owner)
	}
}

// path returns the path of a file that the configuration names. Relative paths are relative to the
// folder of the configuration file. So they do not depend on the working directory of the process.
func (r *reader) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(r.file), name)
}

// parse decodes the YAML and returns its root, the mapping of all keys. ok is false if the text is
// not a YAML document; the problem has then been recorded.
func (r *reader) parse(text []byte) (root value, ok bool) {
	// at returns a value on which a problem of this line can be recorded; 0 = of the whole file.
	at := func(line int) value { return value{reader: r, line: line} }
	if len(text) > maxFile {
		at(0).reject("larger than 1 MiB: not a configuration file")
		return value{}, false
	}
	if line := lineNotUTF8(text); line > 0 {
		at(line).reject("not in UTF-8: save the file in UTF-8")
		return value{}, false
	}
	var docs []yaml.Node
	if err := yaml.Load(text, &docs, yaml.WithAllDocuments()); err != nil {
		const problem = "invalid YAML: check indentation, tabs, brackets, and quotes (a text with a colon needs them)"
		at(errorLine(err)).reject(problem)
		return value{}, false
	}
	if len(docs) == 0 {
		at(0).reject("empty file")
		return value{}, false
	}
	if len(docs) > 1 {
		at(docs[1].Line).reject("second YAML document (---): only one is allowed")
	}
	root = at(1)
	if docs[0].Kind == yaml.DocumentNode && len(docs[0].Content) > 0 {
		root.node = resolve(docs[0].Content[0])
	}
	if root.node == nil {
		at(0).reject("empty file")
		return value{}, false
	}
	root.line = root.node.Line
	return root, true
}

// lineNotUTF8 returns the first line that is not in UTF-8, or 0. YAML also allows UTF-16, with a byte
// order mark.
func lineNotUTF8(text []byte) int {
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
		return 0
	}
	n := 0
	for line := range bytes.Lines(text) {
		if n++; !utf8.Valid(line) {
			return n
		}
	}
	return 0
}

// errorLine returns the line of a YAML error, or 0 if the error has none. For an unfinished
// construct, such as an open quote, it returns the line of the beginning. For other errors, it
// returns the line where the parser stopped.
func errorLine(err error) int {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return 0
	}
	if load.ContextMark.Line > 0 {
		return load.ContextMark.Line
	}
	return load.Mark.Line
}

// Problem is one problem of the configuration. It never repeats a value.
type Problem struct {
	File string // "" = the environment
	Line int    // 0 = the file as a whole
	Key  string // path of the key, such as apps.grafana.subject, or name of the variable; "" = none
	Text lang.Message
}

// String returns the problem on one line, as FILE:LINE: KEY: TEXT. Editors can open the file at
// that line.
func (p Problem) String() string { return p.Localize(nil) }

// Localize returns the problem like String, in the language of the formats.
func (p Problem) Localize(formats lang.Formats) string {
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
	return b.String() + formats.Text(p.Text)
}

// Problems are all problems, in the order of the file, with those of the environment last.
type Problems []Problem

// Error returns one line for each problem.
func (ps Problems) Error() string { return ps.Localize(nil) }

// Localize returns the problems like Error, in the language of the formats.
func (ps Problems) Localize(formats lang.Formats) string {
	lines := make([]string, 0, len(ps))
	for _, p := range ps {
		lines = append(lines, p.Localize(formats))
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sorted() Problems {
	ps = slices.Clone(ps)
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if a.File != b.File { // one is "", for the environment, which is sorted last
			return cmp.Compare(b.File, a.File)
		}
		return cmp.Compare(a.Line, b.Line)
	})
	return ps
}
