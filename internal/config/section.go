package config

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// The configuration is declared as tables of keys: topKeys, connectorKeys, appKeys and others. Each
// table lists the keys of one mapping of the YAML file. readMapping and readKey read a mapping with
// such a table into a struct.

// key declares one key of a mapping. T is the struct that receives the values of the mapping. In a
// table, the keys have the order of the example file (weigate.example.yaml).
type key[T any] struct {
	name     string
	kinds    []gateway.AppKind // kinds of apps that have this key; nil = all
	required string            // what to write if the key is missing, for the message; "" = optional
	noEnv    bool              // has no environment variable: a list, a mapping, or the name of a list item
	below    []string          // paths of the keys inside the value of this key, such as ".idle"

	// read checks the value v of the key and stores it in the struct. s is the mapping that
	// contains the key. read is nil for a key that the function of another key reads: the function
	// of secret also reads secret_file.
	read func(s *section, v value, into *T)
}

// validFor reports whether apps of this kind have the key.
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

// section is a mapping of the YAML file, split into its keys. Unknown and duplicate keys have been
// rejected. The embedded value is the mapping itself.
type section struct {
	value
	fields map[string]*yaml.Node // value of each key
	lines  map[string]int        // line of each key
}

// section returns v as a mapping, and rejects keys that are not known. If v is absent or not a
// mapping, the result has no fields.
func (v value) section(known []string) *section {
	s := &section{value: v, fields: map[string]*yaml.Node{}, lines: map[string]int{}}
	if !v.present() {
		return s
	}
	if v.node.Kind != yaml.MappingNode {
		v.reject("must be a mapping with the keys %s, not %s", lang.Words(known), typeName(v.node))
		return s
	}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k, val := v.node.Content[i], v.node.Content[i+1]
		at := value{reader: v.reader, line: k.Line, path: v.path}
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

// has reports whether a key is in the file, even if its value is null.
func (s *section) has(name string) bool { return s.lines[name] > 0 }

// requireMapping reports whether a list item is a mapping, and rejects an empty item. Items of
// other types have been rejected already.
func (s *section) requireMapping() bool {
	if !s.present() {
		s.reject("must not be empty")
	}
	return s.present() && s.node.Kind == yaml.MappingNode
}

// fromFile returns the value of a key in the file.
func (s *section) fromFile(name string) value {
	v := value{reader: s.reader, node: s.fields[name], line: s.lines[name], path: join(s.path, name)}
	if v.line == 0 {
		v.line = s.line
	}
	return v
}

// fromEnvOrFile returns the value of a key from its environment variable, or else from the file.
func (s *section) fromEnvOrFile(name string) value {
	v := s.fromFile(name)
	env := variable(v.path)
	if text := s.reader.getenv(env); text != "" {
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

// readKey reads one key of s into a struct, or rejects a required key that is missing.
func readKey[T any](s *section, k key[T], into *T) {
	if k.read == nil {
		return
	}
	v := s.fromEnvOrFile(k.name)
	if k.noEnv {
		v = s.fromFile(k.name)
	}
	if k.required != "" && (!v.present() || k.noEnv && v.isEmptyList()) {
		v.reject("missing: %s", lang.Text(k.required))
		return
	}
	k.read(s, v, into)
}

// readMapping reads the mapping v into a struct. It calls the read functions of absent keys too,
// because these functions set the default values.
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

// paths returns the paths of keys. For a key whose value is a mapping it returns the paths of the
// keys inside.
func paths[T any](keys []key[T]) (out []string) {
	for _, k := range keys {
		if k.below == nil {
			out = append(out, k.name)
		}
		out = append(out, prefixed(k.name, k.below)...)
	}
	return out
}

// prefixed puts prefix before every path: "session" and ".idle" give "session.idle". Paths in the
// field below of a key begin with "." if the value is a mapping. They begin with "[]." if the value
// is a list of mappings.
func prefixed(prefix string, paths []string) (out []string) {
	for _, path := range paths {
		out = append(out, prefix+path)
	}
	return out
}
