package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// module is a dependency that is compiled into the program, or the standard library.
type module struct {
	path     string
	version  string
	sum      string   // hash of the module in go.sum; "" for the standard library
	licenses []string // SPDX identifiers, one for each licence file
	texts    []string // of its licence files
}

// readModules returns the dependencies that the linker recorded in the program, sorted by path. It
// reads their licences in the module cache.
func readModules(source, binary string) ([]module, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	list := exec.Command("go", "list", "-m", "-json", "all")
	list.Dir, list.Stderr = source, os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the modules: %w", err)
	}
	folders := map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var m struct{ Path, Dir string }
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		folders[m.Path] = m.Dir
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	folders["std"] = strings.TrimSpace(string(root))
	all := []module{{path: "std", version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, d := range info.Deps {
		if d.Replace != nil {
			return nil, fmt.Errorf("%s is replaced: a release has published dependencies only", d.Path)
		}
		all = append(all, module{path: d.Path, version: d.Version, sum: d.Sum})
	}
	for i := range all {
		if err := all[i].readLicenses(folders[all[i].path]); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.path, b.path) })
	return all, nil
}

// readLicenses reads the licence and notice files in the root of the module.
func (m *module) readLicenses(folder string) error {
	for _, pattern := range []string{"LICENSE*", "LICENCE*", "COPYING*", "NOTICE*"} {
		names, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			return err
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			m.texts = append(m.texts, strings.TrimSpace(string(text)))
			switch base := filepath.Base(name); {
			case strings.HasPrefix(base, "NOTICE"), strings.HasPrefix(base, "LICENSE-3RD-PARTY"):
				continue // has several licences; its text is in the notices, but not identified
			case base == "LICENSE-LOGO", base == "LICENSE.docs":
				continue // the licence of a picture or of documents, which are not compiled in
			}
			id, err := identify(string(text))
			if err != nil {
				return fmt.Errorf("%s of %s: %w", filepath.Base(name), m.path, err)
			}
			if !slices.Contains(m.licenses, id) {
				m.licenses = append(m.licenses, id)
			}
		}
	}
	if len(m.licenses) == 0 {
		return fmt.Errorf("%s %s has no licence file", m.path, m.version)
	}
	return nil
}

// licenses are the licences that a dependency may have, with sentences of their texts. All are
// permissive: they allow a binary under Apache-2.0. The order matters: BSD-3-Clause contains the
// sentences of BSD-2-Clause.
var licenses = []struct {
	id        string
	sentences []string
}{
	{"Apache-2.0", []string{"Apache License Version 2.0",
		"TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION"}},
	{"MIT", []string{"Permission is hereby granted, free of charge, to any person obtaining a copy",
		"The above copyright notice and this permission notice shall be included"}},
	{"BSD-3-Clause", []string{"Redistribution and use in source and binary forms",
		"endorse or promote products derived from"}},
	{"BSD-2-Clause", []string{"Redistribution and use in source and binary forms",
		"Redistributions in binary form must reproduce the above copyright notice"}},
	{"ISC", []string{"Permission to use, copy, modify, and/or distribute this software for any purpose"}},
	{"blessing", []string{"SQLite Is Public Domain"}},
	{"CC0-1.0", []string{"CC0 1.0 Universal"}},
	{"Unlicense", []string{"This is free and unencumbered software released into the public domain"}},
}

// identify returns the SPDX identifier of the licence with this text. It fails for an unknown text:
// somebody must then read it before the release.
func identify(text string) (string, error) {
	comment := strings.NewReplacer("*", " ", "#", " ", "//", " ", ",", "", "\"", "", "“", "", "”", "")
	words := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(comment.Replace(s)), " ")) }
	text = words(text)
	for _, l := range licenses {
		if !slices.ContainsFunc(l.sentences, func(s string) bool { return !strings.Contains(text, words(s)) }) {
			return l.id, nil
		}
	}
	return "", errors.New("unknown licence: read it, and add it to the list in packaging/release/modules.go")
}

// writeNotices returns the licences of all modules, as the licences require of a binary.
func writeNotices(modules []module) []byte {
	var b bytes.Buffer
	fmt.Fprint(&b, "Weigate contains the software below, under the licences that follow each name.\n")
	for _, m := range modules {
		name := m.path + " " + m.version
		if m.path == "std" {
			name = "Go " + m.version + " (standard library and runtime)"
		}
		fmt.Fprintf(&b, "\n%s\n%s: %s\n\n%s\n", strings.Repeat("-", 78), name, strings.Join(m.licenses, " AND "),
			strings.Join(m.texts, "\n\n"))
	}
	return b.Bytes()
}
