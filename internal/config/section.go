package config

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/gateway"
)

// key declares one key of a mapping that is read into a T. The order of the keys is that of the
// example file.
type key[T any] struct {
	name     string
	kinds    []gateway.AppKind // of apps that have the key; nil = all
	required string            // what to write when the key is missing; "" = optional
	fileOnly bool              // has no environment variable: a list, a mapping, or the name of an item
	below    []string          // paths of the keys below it, relative to it
	read     func(s *section, v value, into *T)
}

// validFor reports whether apps of a kind have the key.
func (k key[T]) validFor(kind gateway.AppKind) bool {
	return k.kinds == nil || slices.Contains(k.kinds, kind)
}

// keyNames returns the names of keys.
func keyNames[T any](keys []key[T]) (out []string) {
	for _, k := range keys {
		out = append(out, k.name)
	}
	return out
}

// section is a mapping with known keys.
type section struct {
	value
	fields map[string]*yaml.Node
	lines  map[string]int
}

// section reads the keys of a mapping. An absent mapping, or a value of another type, has no
// fields.
func (v value) section(known []string) *section {
	s := &section{value: v, fields: map[string]*yaml.Node{}, lines: map[string]int{}}
	if !v.present() {
		return s
	}
	if v.node.Kind != yaml.MappingNode {
		v.reject("must be a mapping with the keys %s, not %s", strings.Join(known, ", "), typeName(v.node))
		return s
	}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k, val := v.node.Content[i], v.node.Content[i+1]
		at := value{r: v.r, line: k.Line, path: v.path}
		switch {
		case k.Kind == yaml.ScalarNode && k.Tag == "!!merge":
			at.reject("merge keys (<<) are not supported: repeat the keys, or use an alias for the whole value")
		case k.Kind != yaml.ScalarNode:
			at.reject("a key must be a single word")
		case !slices.Contains(known, k.Value):
			at.reject("%s%s", unknownKey(k.Value), didYouMean(k.Value, known))
		case s.lines[k.Value] > 0:
			at.path = join(v.path, k.Value)
			at.reject("duplicate key, first on line %d", s.lines[k.Value])
		default:
			s.fields[k.Value], s.lines[k.Value] = resolve(val), k.Line
		}
	}
	return s
}

// has reports whether a key is in the file, with null as its value or not.
func (s *section) has(name string) bool { return s.lines[name] > 0 }

// isMapping reports whether the section is a mapping. It rejects an empty list item.
func (s *section) isMapping() bool {
	if !s.present() {
		s.reject("must not be empty")
	}
	return s.present() && s.node.Kind == yaml.MappingNode
}

// listed returns the value of a key that holds a list or a mapping.
func (s *section) listed(name string) value {
	v := value{r: s.r, node: s.fields[name], line: s.lines[name], path: join(s.path, name)}
	if v.line == 0 {
		v.line = s.line
	}
	return v
}

// scalar returns the value of a key that holds one value. Its environment variable has priority.
func (s *section) scalar(name string) value {
	v := s.listed(name)
	env := variable(v.path)
	if text := s.r.getenv(env); text != "" {
		v.node, v.env = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}, env
	}
	return v
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

var notInVariable = regexp.MustCompile(`[^A-Z0-9]+`)

// variable returns the name of the environment variable for a path.
func variable(path string) string {
	return "WEIGATE_" + notInVariable.ReplaceAllString(strings.ToUpper(path), "_")
}

// readKey reads one key into a T, or rejects a required one that is missing. A key without a
// function is read together with another one.
func readKey[T any](s *section, k key[T], into *T) {
	if k.read == nil {
		return
	}
	v := s.scalar(k.name)
	if k.fileOnly {
		v = s.listed(k.name)
	}
	if k.required != "" && (!v.present() || k.fileOnly && v.isEmptyList()) {
		v.reject("missing: %s", k.required)
		return
	}
	k.read(s, v, into)
}

// readMapping reads a mapping with the given keys into a T. Keys that are absent get their
// defaults.
func readMapping[T any](v value, keys []key[T], into *T) *section {
	s := v.section(keyNames(keys))
	for _, k := range keys {
		readKey(s, k, into)
	}
	return s
}

// Keys returns the path of every key in the order of the example file: "session.idle",
// "wechat[].name". A test compares the reference pages with it.
func Keys() []string { return paths(topKeys()) }

// paths returns the paths of keys. A mapping is represented by the keys below it.
func paths[T any](keys []key[T]) (out []string) {
	for _, k := range keys {
		if k.below == nil {
			out = append(out, k.name)
		}
		out = append(out, prefixed(k.name, k.below)...)
	}
	return out
}

// prefixed returns paths with a prefix: a name, "." for the keys of a mapping, "[]." for those of a
// list's items.
func prefixed(prefix string, paths []string) (out []string) {
	for _, path := range paths {
		out = append(out, prefix+path)
	}
	return out
}
