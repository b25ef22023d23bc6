package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// file is a file of an archive.
type file struct {
	name    string // below the folder of the archive
	content []byte
	mode    fs.FileMode
}

// shipped are the files and folders of the repository that each archive has beside the program, so
// that a machine without a network has the documents too.
var shipped = []string{
	"CHANGELOG.md", "LICENSE", "README.md", "README.zh-CN.md", "SECURITY.md", "weigate.example.yaml",
	"docs", "compose.yaml", "packaging/systemd", "packaging/prometheus", "packaging/grafana",
	"examples/nginx", "examples/nginx-auth", "examples/caddy", "examples/traefik", "examples/oauth2-proxy",
}

// files returns the files of the archive, sorted by name. notices are the licences of the program's
// dependencies.
func (r release) files(notices []byte) ([]file, error) {
	program, err := os.ReadFile(r.binary)
	if err != nil {
		return nil, err
	}
	files := []file{
		{name: filepath.Base(r.binary), content: program, mode: 0o755},
		{name: "THIRD-PARTY-NOTICES.txt", content: notices, mode: 0o644},
	}
	for _, name := range shipped {
		err := filepath.WalkDir(filepath.Join(r.source, name), func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(p, ".go") {
				return err
			}
			content, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			below, err := filepath.Rel(r.source, p)
			files = append(files, file{name: filepath.ToSlash(below), content: content, mode: 0o644})
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	documents := links{source: r.source, version: r.version, shipped: func(name string) bool {
		return slices.ContainsFunc(files, func(f file) bool {
			return f.name == name || strings.HasPrefix(f.name, name+"/")
		})
	}}
	for i, f := range files {
		if strings.HasSuffix(f.name, ".md") {
			files[i].content = documents.rewrite(f.name, f.content)
		}
	}
	return files, nil
}

// tarGz writes an archive for Unix systems with this file name.
func (r release) tarGz(name string, files []file) error {
	var buffer bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&buffer, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(compressed)
	for _, f := range files {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: path.Join(r.name(), f.name), Size: int64(len(f.content)),
			Mode: int64(f.mode), ModTime: r.time, Uname: "root", Gname: "root"}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(f.content); err != nil {
			return err
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		return err
	}
	return os.WriteFile(name, buffer.Bytes(), 0o644)
}

// zip writes an archive for Windows with this file name.
func (r release) zip(name string, files []file) error {
	var buffer bytes.Buffer
	archive := zip.NewWriter(&buffer)
	for _, f := range files {
		header := &zip.FileHeader{Name: path.Join(r.name(), f.name), Method: zip.Deflate, Modified: r.time}
		header.SetMode(f.mode)
		w, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := w.Write(f.content); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return os.WriteFile(name, buffer.Bytes(), 0o644)
}
