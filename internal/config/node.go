package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// reader walks the YAML once and collects what is wrong.
type reader struct {
	file     string
	getenv   func(string) string
	problems Problems
	warnings Problems
}

// value is a place in the file, with or without something in it.
type value struct {
	r    *reader
	node *yaml.Node // nil = not given
	line int        // of the value, else of what it is missing from
	key  string     // path of the key
	env  string     // name of the variable; "" = there can be none
	over bool       // the value came from the variable
}

func (v value) given() bool { return v.node != nil }

func (v value) problem() Problem {
	if v.over {
		return Problem{Key: v.env}
	}
	return Problem{File: v.r.file, Line: v.line, Key: v.key}
}

// fault records what is wrong here. It must not be given a value of the configuration.
func (v value) fault(format string, args ...any) {
	p := v.problem()
	p.What = fmt.Sprintf(format, args...)
	v.r.problems = append(v.r.problems, p)
}

// faults records all that a check has found, in words of its own.
func (v value) faults(wrong []error) {
	for _, err := range wrong {
		v.fault("%s", err)
	}
}

func (v value) warn(format string, args ...any) {
	p := v.problem()
	p.What = fmt.Sprintf(format, args...)
	v.r.warnings = append(v.r.warnings, p)
}

// resolve follows an alias, and takes null for nothing. The schema is finite, so an alias inside its own anchor ends at a wrong type.
func resolve(n *yaml.Node) *yaml.Node {
	for range 8 {
		if n == nil || n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	if n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	return n
}

// what names the kind of a node for people.
func what(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!bool":
		return "true or false"
	case n.Tag == "!!int" || n.Tag == "!!float":
		return "a number"
	case n.Tag == "!!timestamp":
		return "a date"
	case n.Tag == "!!str":
		return "a text"
	}
	return "something else"
}

// section is a mapping whose keys are known.
type section struct {
	value
	fields map[string]*yaml.Node
	lines  map[string]int
}

// section reads v as a mapping with these keys. One that is missing, or is no mapping, has no fields.
func (v value) section(keys ...string) section {
	s := section{value: v, fields: map[string]*yaml.Node{}, lines: map[string]int{}}
	if !v.given() {
		return s
	}
	if v.node.Kind != yaml.MappingNode {
		v.fault("must be a mapping with the keys %s, and is %s", strings.Join(keys, ", "), what(v.node))
		return s
	}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k, val := v.node.Content[i], v.node.Content[i+1]
		at := value{r: v.r, line: k.Line, key: v.key}
		switch {
		case k.Kind == yaml.ScalarNode && k.Tag == "!!merge":
			at.fault("merge keys (<<) are not read: write the keys out, or use an alias for a whole value")
		case k.Kind != yaml.ScalarNode:
			at.fault("a key must be a plain word")
		case !slices.Contains(keys, k.Value):
			at.fault("%s%s", shown(k.Value), hint(k.Value, keys))
		case s.lines[k.Value] > 0:
			at.key = join(v.key, k.Value)
			at.fault("is given twice, first on line %d", s.lines[k.Value])
		default:
			s.fields[k.Value], s.lines[k.Value] = resolve(val), k.Line
		}
	}
	return s
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

var notInName = regexp.MustCompile(`[^A-Z0-9]+`)

// variable makes the name of an environment variable of a path.
func variable(path string) string {
	return "WEIGATE_" + notInName.ReplaceAllString(strings.ToUpper(path), "_")
}

// at is the value of a key that holds a list or a mapping.
func (s section) at(key string) value {
	v := value{r: s.r, node: s.fields[key], line: s.lines[key], key: join(s.key, key)}
	if v.line == 0 {
		v.line = s.line
	}
	if v.node != nil && v.node.Line > 0 && v.node.Kind != yaml.ScalarNode {
		v.line = s.lines[key]
	}
	return v
}

// one is the value of a key that holds one value, which the environment may give.
func (s section) one(key string) value {
	v := s.at(key)
	v.env = variable(v.key)
	return v.overridden()
}

func (v value) overridden() value {
	if text := v.r.getenv(v.env); text != "" {
		v.node, v.over = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}, true
	}
	return v
}

// mapping tells whether the section can be read at all. An empty item is told here.
func (s section) mapping() bool {
	if !s.given() {
		s.fault("is empty")
	}
	return s.given() && s.node.Kind == yaml.MappingNode
}

// has tells whether a key is given, null or not.
func (s section) has(key string) bool { return s.lines[key] > 0 }

// items are the elements of a list.
func (v value) items() []value {
	if !v.given() {
		return nil
	}
	if v.node.Kind != yaml.SequenceNode {
		v.fault("must be a list, and is %s", what(v.node))
		return nil
	}
	var out []value
	for i, n := range v.node.Content {
		out = append(out, value{r: v.r, node: resolve(n), line: n.Line, key: fmt.Sprintf("%s[%d]", v.key, i)})
	}
	return out
}

// text reads a text. ok is false when there is none, or something else stands there, which is told.
func (v value) text() (text string, ok bool) {
	switch {
	case !v.given():
		return "", false
	case v.node.Kind != yaml.ScalarNode:
		v.fault("must be a text, and is %s", what(v.node))
		return "", false
	case v.node.Tag != "!!str":
		v.fault("must be a text, and is read as %s: put it in quotes", what(v.node))
		return "", false
	}
	text = v.node.Value
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		v.fault("has a line break or another control character in it")
		return "", false
	}
	return text, true
}

// texts reads a list of texts, none of them empty.
func (v value) texts() (texts []string, at []value) {
	for _, item := range v.items() {
		if !item.given() {
			item.fault("is empty")
			continue
		}
		switch text, ok := item.text(); {
		case !ok:
		case text == "":
			item.fault("is empty")
		case slices.Contains(texts, text):
			item.fault("is in the list already")
		default:
			texts, at = append(texts, text), append(at, item)
		}
	}
	return texts, at
}

// yes reads true or false; false when nothing is given.
func (v value) yes() bool {
	if !v.given() {
		return false
	}
	if v.node.Kind == yaml.ScalarNode && (v.node.Tag == "!!bool" || v.over) {
		switch v.node.Value {
		case "true", "True", "TRUE":
			return true
		case "false", "False", "FALSE":
			return false
		}
	}
	v.fault("must be true or false")
	return false
}

// duration reads a time span between two bounds.
func (v value) duration(def, least, most time.Duration) time.Duration {
	if !v.given() {
		return def
	}
	if v.node.Kind != yaml.ScalarNode {
		v.fault("must be a time span such as 90s, 5m or 24h, and is %s", what(v.node))
		return def
	}
	d, err := time.ParseDuration(v.node.Value)
	switch {
	case err != nil && v.node.Tag == "!!int":
		v.fault("needs a unit: write 90s, 5m or 24h")
	case err != nil:
		v.fault("must be a time span such as 90s, 5m or 24h (there is no unit for days)")
	case d < least || d > most:
		v.fault("must lie between %s and %s", span(least), span(most))
	default:
		return d
	}
	return def
}

// span writes a time span without the zeros that time.Duration adds.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// choice reads one of a few words.
func (v value) choice(def string, words ...string) string {
	if !v.given() {
		return def
	}
	text := v.node.Value // "" for a list or a mapping
	if !slices.Contains(words, text) {
		v.fault("must be %s%s", alternatives(words), hint(text, words))
		return def
	}
	return text
}

// alternatives writes "a, b or c".
func alternatives(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
