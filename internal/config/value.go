package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/lang"
)

// This file reads values of the YAML file or of environment variables: strings, lists, numbers and
// others. A method that finds a problem records it in the reader, and returns a default value. So
// one run reports all problems.

// reader reads one configuration. It collects the problems. It also keeps the facts that the checks
// of later keys need, such as the names that are in use.
type reader struct {
	file     string
	getenv   func(string) string
	problems Problems
	warnings Problems

	conf           *Config // the keys that have been read so far
	hasProxies     bool    // trusted_proxies has elements, valid or not
	hasSecrets     bool    // the file contains a secret
	faultyAccess   bool    // access at the top is invalid: apps without a rule of their own are not rejected too
	connectorNames *usedNames
	appNames       *usedNames
	notifyNames    *usedNames
	appIDs         map[string]int // line of each appid, of connectors and of relay apps
	hosts          map[string]int // host name → line of the forward_auth app with this host

	icpHosts map[string]value // keys of site.icp_hosts
}

// value is the value of a key, from the file or the environment. The key may be absent.
type value struct {
	reader *reader
	node   *yaml.Node // nil = absent or null
	line   int        // line of the key or list item; if the key is absent, line of its mapping
	path   string     // path of the key, such as apps.wiki.hosts
	env    string     // environment variable that the value comes from; "" = the file
}

func (v value) present() bool { return v.node != nil }

// isEmptyList reports whether the value is a list without elements.
func (v value) isEmptyList() bool {
	return v.present() && v.node.Kind == yaml.SequenceNode && len(v.node.Content) == 0
}

// reject records a problem of this value. The message must not contain a value of the
// configuration.
func (v value) reject(format string, args ...any) {
	v.reader.problems = append(v.reader.problems, v.problem(format, args...))
}

// rejectAll records every error of a check.
func (v value) rejectAll(errs []error) {
	for _, err := range errs {
		v.reject("%s", err)
	}
}

func (v value) warn(format string, args ...any) {
	v.reader.warnings = append(v.reader.warnings, v.problem(format, args...))
}

func (v value) problem(format string, args ...any) Problem {
	p := Problem{File: v.reader.file, Line: v.line, Key: v.path}
	if v.env != "" {
		p = Problem{Key: v.env}
	}
	p.Text = lang.Text(format, args...)
	return p
}

// resolve follows a YAML alias (*name) and returns the node that it refers to. It returns other
// nodes unchanged, and nil for null. Aliases can refer to each other in a circle, so the number of
// steps is limited.
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
func typeName(n *yaml.Node) lang.Message {
	switch {
	case n.Kind == yaml.MappingNode:
		return lang.Text("a mapping")
	case n.Kind == yaml.SequenceNode:
		return lang.Text("a list")
	case n.Tag == "!!bool":
		return lang.Text("a boolean")
	case n.Tag == "!!int" || n.Tag == "!!float":
		return lang.Text("a number")
	case n.Tag == "!!timestamp":
		return lang.Text("a date")
	case n.Tag == "!!str":
		return lang.Text("a string")
	}
	return lang.Text("another type")
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
		out = append(out, value{reader: v.reader, node: resolve(n), line: n.Line, path: fmt.Sprintf("%s[%d]", v.path, i)})
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

// nonEmpty reads a string that must not be empty, and returns defaultValue if it is absent or
// rejected.
func (v value) nonEmpty(defaultValue string) string {
	text, ok := v.text()
	switch {
	case !ok:
		return defaultValue
	case text == "":
		v.reject("must not be empty")
		return defaultValue
	}
	return text
}

// texts reads a list of strings. It rejects empty strings and duplicates. at[i] is the list element
// of texts[i]: further checks record their problems on it.
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

// checkedTexts reads a list of strings, and rejects those for which check returns errors.
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

// duration reads a duration between two bounds. It returns defaultValue if the value is absent or
// rejected.
func (v value) duration(defaultValue, lowest, highest time.Duration) time.Duration {
	if !v.present() {
		return defaultValue
	}
	if v.node.Kind != yaml.ScalarNode {
		v.reject("must be a duration such as 90s, 5m or 24h, not %s", typeName(v.node))
		return defaultValue
	}
	switch d, err := time.ParseDuration(v.node.Value); {
	case err != nil && v.node.Tag == "!!int":
		v.reject("requires a unit: 90s, 5m or 24h")
	case err != nil:
		v.reject("must be a duration such as 90s, 5m or 24h (there is no unit for days)")
	case d < lowest || d > highest:
		v.reject("must be between %s and %s", shortDuration(lowest), shortDuration(highest))
	default:
		return d
	}
	return defaultValue
}

// number reads an integer between two bounds. It returns defaultValue if the value is absent or
// rejected.
func (v value) number(defaultValue, lowest, highest int) int {
	if !v.present() {
		return defaultValue
	}
	n, err := strconv.Atoi(v.node.Value) // Value is "" for a list or a mapping
	if err != nil || n < lowest || n > highest {
		v.reject("must be a number between %d and %d", lowest, highest)
		return defaultValue
	}
	return n
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

// choice reads a value that must be one of several words. It returns defaultValue if the value is
// absent or rejected.
func (v value) choice(defaultValue string, words ...string) string {
	if !v.present() {
		return defaultValue
	}
	text := v.node.Value // "" for a list or a mapping
	if !slices.Contains(words, text) {
		v.reject("must be %s%s", joinWithOr(words), didYouMean(text, words))
		return defaultValue
	}
	return text
}

// joinWithOr formats words as "a, b or c".
func joinWithOr(words []string) lang.Message {
	if len(words) < 2 {
		return lang.Text("%s", strings.Join(words, ""))
	}
	return lang.Text("%s or %s", lang.Words(words[:len(words)-1]), words[len(words)-1])
}
