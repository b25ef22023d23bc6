package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/lang"
)

// Redacted returns the configuration file at path for a bug report, as YAML. It contains the
// declared keys without comments. Secrets, openids and similar values are "[redacted]". Values with
// a problem are "[not shown]", because such a value may be a misplaced secret; so are unknown keys.
//
// variables are the names of the environment variables that set a key. An invalid configuration is
// not an error. Redacted returns an error only if the file cannot be read, or is not a YAML mapping;
// the error does not repeat the content.
func Redacted(path string, getenv func(string) string) (text string, variables []string, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", nil, lang.Errorf("read the configuration file: %w", err)
	}
	r := &reader{file: path, getenv: func(name string) string {
		value := ""
		if getenv != nil {
			value = getenv(name)
		}
		if value != "" && !slices.Contains(variables, name) {
			variables = append(variables, name)
		}
		return value
	}}
	root, ok := r.parse(content)
	if !ok || root.node.Kind != yaml.MappingNode {
		return "", variables, errors.New("the configuration file is not a YAML mapping")
	}
	r.config(root)
	// A value that a variable overrides has no problem. The second reader finds what is wrong with it.
	withoutVariables := &reader{file: path, getenv: func(string) string { return "" }}
	if root, ok := withoutVariables.parse(content); ok {
		withoutVariables.config(root)
	}
	shown := redaction{problems: map[int][]string{}, known: map[string]bool{}, hasKeys: map[string]bool{}}
	for _, p := range slices.Concat(r.problems, withoutVariables.problems) {
		shown.problems[p.Line] = append(shown.problems[p.Line], p.Key) // line 0 is not a line of the file
	}
	for _, key := range Keys() {
		shown.known[key] = true
		for i, c := range key {
			if c == '.' {
				shown.hasKeys[key[:i]] = true
				shown.known[strings.TrimSuffix(key[:i], "[]")] = true
			}
		}
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(shown.mapping(root.node, "")), encoder.Close()); err != nil {
		return "", variables, errors.New("the configuration file cannot be shown")
	}
	return out.String(), variables, nil
}

// redaction decides which values of a configuration Redacted shows.
type redaction struct {
	problems map[int][]string // line of the file → keys with a problem there; "" = none
	known    map[string]bool  // paths of Keys, and the paths of the mappings and lists around them
	hasKeys  map[string]bool  // paths of mappings with declared keys, such as session and wechat[]
}

// isPrivate reports whether the value of the key at a path is a secret or identifies people. Every
// secret has a second key for its file. The address of the store is shown without its password.
func (d redaction) isPrivate(path string) bool {
	switch strings.TrimPrefix(path, "apps[].") {
	case "access.users", "access.openids", "access.unionids", "notify[].mention", "site.contact", "tls.acme.email":
		return true
	}
	return d.known[path+"_file"] && path != "store"
}

// isFilePath reports whether the value of the key at a path is the path of a file with a secret.
func isFilePath(path string) bool { return strings.HasSuffix(path, "_file") || path == "tls.key" }

// mapping returns a copy of a mapping whose keys have paths that begin with prefix.
func (d redaction) mapping(n *yaml.Node, prefix string) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, path := n.Content[i], prefix+n.Content[i].Value
		switch {
		case !d.known[path]:
			out.Content = append(out.Content, plain("[unknown key]"), plain("[not shown]"))
		case !d.isPrivate(path) && d.hasProblem(n, name, prefix):
			out.Content = append(out.Content, plain(name.Value), plain("[not shown]"))
		default:
			out.Content = append(out.Content, plain(name.Value), d.value(n.Content[i+1], path))
		}
	}
	return out
}

// hasProblem reports whether the value of a key in a mapping may have a problem. A missing key is
// a problem on the line where the mapping begins, and says nothing of the other keys on that line.
func (d redaction) hasProblem(mapping, name *yaml.Node, prefix string) bool {
	return slices.ContainsFunc(d.problems[name.Line], func(key string) bool {
		last := key[strings.LastIndexByte(key, '.')+1:]
		return !d.known[prefix+last] || hasKey(mapping, last)
	})
}

func hasKey(mapping *yaml.Node, name string) bool {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return true
		}
	}
	return false
}

// value returns a copy of the value of the key at a path.
func (d redaction) value(n *yaml.Node, path string) *yaml.Node {
	n = resolve(n)
	switch {
	case n == nil:
		return plain("")
	case d.isPrivate(path) && n.Kind == yaml.SequenceNode:
		return plain(fmt.Sprintf("[redacted: %d]", len(n.Content)))
	case d.isPrivate(path) && n.Kind == yaml.ScalarNode && n.Value == "":
		return plain("") // that a value is missing is not private, and may be the cause of a problem
	case d.isPrivate(path):
		return plain("[redacted]")
	case n.Kind == yaml.ScalarNode && isFilePath(path) && n.Value != "" && !looksLikePath(n.Value):
		return plain("[not shown]") // it may be the secret itself
	case n.Kind == yaml.ScalarNode && path == "wechat[].push.forward":
		return plain(originOf(n.Value)) // the path of some message servers is a token
	case n.Kind == yaml.ScalarNode:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: n.Tag, Value: withoutCredentials(n.Value)}
	case n.Kind == yaml.SequenceNode && !strings.HasSuffix(path, "[]"):
		out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range n.Content {
			shown := d.value(item, path+"[]")
			if len(d.problems[item.Line]) > 0 && shown.Kind == yaml.ScalarNode {
				shown = plain("[not shown]")
			}
			out.Content = append(out.Content, shown)
		}
		return out
	case n.Kind == yaml.MappingNode && d.hasKeys[path]:
		return d.mapping(n, path+".")
	case n.Kind == yaml.MappingNode: // such as icp_hosts, whose keys the administrator chooses
		return plain(fmt.Sprintf("[not shown: %d]", len(n.Content)/2))
	}
	return plain("[not shown]")
}

// originOf returns scheme and host of a URL.
func originOf(text string) string {
	u, err := parseAddress(text)
	if err != nil {
		return "[redacted]"
	}
	return u.Scheme + "://" + u.Host + " [redacted in part]"
}

// withoutCredentials removes the user name, the password and the query from a URL, and the query from
// an address of a native app, such as com.example.app:/callback?key=value.
func withoutCredentials(text string) string {
	scheme, _, isURL := strings.Cut(text, "://")
	if !isURL {
		if start := ofNativeApp.FindString(text); start != "" {
			return start + " [redacted in part]"
		}
		return text
	}
	u, err := parseAddress(text)
	if err != nil {
		return scheme + "://[redacted]"
	}
	hidden := ""
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		hidden = " [redacted in part]"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String() + hidden
}

// ofNativeApp matches an address without "//", up to its query.
var ofNativeApp = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:[^ ?#]*[?#]`)

func plain(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}
