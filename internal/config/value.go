package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// reader collects the problems of one configuration, and what its parts need to know of each other.
type reader struct {
	file     string
	getenv   func(string) string
	problems Problems
	warnings Problems

	conf           *Config // as far as it has been read
	hasProxies     bool    // trusted_proxies has elements, valid or not
	connectorNames *names
	appNames       *names
	appIDs         map[string]int // line of each appid, of connectors and of relay apps
	hosts          map[string]int // line of the app of each host name
}

// value is a value in the file or in the environment, or the place where one is missing.
type value struct {
	r    *reader
	node *yaml.Node // nil = absent or null
	line int        // of the value; of the mapping where the key is absent
	path string     // of the key, as in apps.wiki.hosts
	env  string     // variable that the value comes from; "" = the file
}

func (v value) present() bool { return v.node != nil }

// isEmptyList reports whether the value is a list without elements.
func (v value) isEmptyList() bool {
	return v.present() && v.node.Kind == yaml.SequenceNode && len(v.node.Content) == 0
}

// reject records a problem of this value. The message must not contain a value of the
// configuration.
func (v value) reject(format string, args ...any) {
	v.r.problems = append(v.r.problems, v.problem(format, args...))
}

// rejectAll records every error of a check.
func (v value) rejectAll(errs []error) {
	for _, err := range errs {
		v.reject("%s", err)
	}
}

func (v value) warn(format string, args ...any) {
	v.r.warnings = append(v.r.warnings, v.problem(format, args...))
}

func (v value) problem(format string, args ...any) Problem {
	p := Problem{File: v.r.file, Line: v.line, Key: v.path}
	if v.env != "" {
		p = Problem{Key: v.env}
	}
	p.Text = fmt.Sprintf(format, args...)
	return p
}

// resolve follows aliases and returns nil for null. Every mapping has a fixed depth, so an alias
// inside its own anchor ends at a value of the wrong type.
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

// typeName returns the type of a node for messages.
func typeName(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!bool":
		return "a boolean"
	case n.Tag == "!!int" || n.Tag == "!!float":
		return "a number"
	case n.Tag == "!!timestamp":
		return "a date"
	case n.Tag == "!!str":
		return "a string"
	}
	return "another type"
}

// items returns the elements of a list.
func (v value) items() []value {
	if !v.present() {
		return nil
	}
	if v.node.Kind != yaml.SequenceNode {
		v.reject("must be a list, not %s", typeName(v.node))
		return nil
	}
	var out []value
	for i, n := range v.node.Content {
		out = append(out, value{r: v.r, node: resolve(n), line: n.Line, path: fmt.Sprintf("%s[%d]", v.path, i)})
	}
	return out
}

// text reads a string. ok is false if the value is absent, or rejected.
func (v value) text() (text string, ok bool) {
	switch {
	case !v.present():
		return "", false
	case v.node.Kind != yaml.ScalarNode:
		v.reject("must be a string, not %s", typeName(v.node))
		return "", false
	case v.node.Tag != "!!str":
		v.reject("must be a string, not %s: put it in quotes", typeName(v.node))
		return "", false
	}
	text = v.node.Value
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		v.reject("must not contain line breaks or control characters")
		return "", false
	}
	return text, true
}

// nonEmpty reads a string that must not be empty, and returns def if it is absent or rejected.
func (v value) nonEmpty(def string) string {
	text, ok := v.text()
	switch {
	case !ok:
		return def
	case text == "":
		v.reject("must not be empty")
		return def
	}
	return text
}

// texts reads a list of strings that are not empty and differ from each other. at holds the place
// of each.
func (v value) texts() (texts []string, at []value) {
	for _, item := range v.items() {
		if !item.present() {
			item.reject("must not be empty")
			continue
		}
		switch text, ok := item.text(); {
		case !ok:
		case text == "":
			item.reject("must not be empty")
		case slices.Contains(texts, text):
			item.reject("duplicate value")
		default:
			texts, at = append(texts, text), append(at, item)
		}
	}
	return texts, at
}

// checkedTexts reads a list of strings, and leaves out those for which check returns errors.
func (v value) checkedTexts(check func(string) []error) (out []string) {
	texts, at := v.texts()
	for i, text := range texts {
		if errs := check(text); len(errs) > 0 {
			at[i].rejectAll(errs)
			continue
		}
		out = append(out, text)
	}
	return out
}

// boolean reads true or false. An absent value is false.
func (v value) boolean() bool {
	if !v.present() {
		return false
	}
	if v.node.Kind == yaml.ScalarNode && (v.node.Tag == "!!bool" || v.env != "") {
		switch v.node.Value {
		case "true", "True", "TRUE":
			return true
		case "false", "False", "FALSE":
			return false
		}
	}
	v.reject("must be true or false")
	return false
}

// duration reads a duration between two bounds. It returns def if the value is absent or rejected.
func (v value) duration(def, least, most time.Duration) time.Duration {
	if !v.present() {
		return def
	}
	if v.node.Kind != yaml.ScalarNode {
		v.reject("must be a duration such as 90s, 5m or 24h, not %s", typeName(v.node))
		return def
	}
	switch d, err := time.ParseDuration(v.node.Value); {
	case err != nil && v.node.Tag == "!!int":
		v.reject("requires a unit: 90s, 5m or 24h")
	case err != nil:
		v.reject("must be a duration such as 90s, 5m or 24h (there is no unit for days)")
	case d < least || d > most:
		v.reject("must be between %s and %s", shortDuration(least), shortDuration(most))
	default:
		return d
	}
	return def
}

// shortDuration formats a duration without the zeros that time.Duration adds: 24h, not 24h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// choice reads one of several words. It returns def if the value is absent or rejected.
func (v value) choice(def string, words ...string) string {
	if !v.present() {
		return def
	}
	text := v.node.Value // "" for a list or a mapping
	if !slices.Contains(words, text) {
		v.reject("must be %s%s", alternatives(words), didYouMean(text, words))
		return def
	}
	return text
}

// alternatives formats words as "a, b or c".
func alternatives(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
