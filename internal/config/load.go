package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"go.yaml.in/yaml/v4"
)

// maxFile is the size above which a configuration file is taken for something else.
const maxFile = 1 << 20

// Load reads the configuration file at path and the environment over it; getenv is os.Getenv, or a test's own, and nil is an empty environment. The
// error is Problems when the content is at fault, all of it at once. A file that does not exist gives an error that is fs.ErrNotExist.
func Load(path string, getenv func(string) string) (*Config, error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("no configuration: %s: %w: write one (weigate.example.yaml is the model), or name another with -c", path, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("the configuration file cannot be opened: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("the configuration file cannot be read: %w", err)
	}
	return Parse(path, text, getenv)
}

// Parse is Load for a text; name stands for the file in problems. Secret files that the text names are read, relative to the working directory.
func Parse(name string, text []byte, getenv func(string) string) (*Config, error) {
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	r := &reader{file: name, getenv: getenv}
	root, ok := r.parse(text)
	var c *Config
	if ok {
		c = r.config(root)
	}
	if len(r.problems) > 0 {
		return nil, r.problems.sorted()
	}
	c.Warnings = r.warnings.sorted()
	return c, nil
}

// parse reads the YAML. ok is false when nothing can be said of its content.
func (r *reader) parse(text []byte) (root value, ok bool) {
	at := func(line int) value { return value{r: r, line: line} }
	if len(text) > maxFile {
		at(0).fault("the file is larger than 1 MiB: that is no configuration of this program")
		return value{}, false
	}
	var docs []yaml.Node
	if err := yaml.Load(text, &docs, yaml.WithAllDocuments()); err != nil {
		at(errorLine(err)).fault("this is not valid YAML from here on: look for a wrong indentation, a missing quote or bracket, a tab, or a colon inside a text that needs quotes")
		return value{}, false
	}
	if len(docs) == 0 {
		at(0).fault("the file is empty")
		return value{}, false
	}
	if len(docs) > 1 {
		at(docs[1].Line).fault("a second document (---) begins here: keep one")
	}
	root = at(1)
	if docs[0].Kind == yaml.DocumentNode && len(docs[0].Content) > 0 {
		root.node = resolve(docs[0].Content[0])
	}
	if root.node == nil {
		at(0).fault("the file is empty")
		return value{}, false
	}
	root.line = root.node.Line
	return root, true
}

// errorLine is where the library stopped, or where the thing begins that does not end. 0 = it does not say.
func errorLine(err error) int {
	var each *yaml.LoadError
	if !errors.As(err, &each) {
		return 0
	}
	if each.ContextMark.Line > 0 {
		return each.ContextMark.Line
	}
	return each.Mark.Line
}
