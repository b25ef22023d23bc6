// Command scan searches all files below a folder for planted secrets: fixed texts that tests use as
// secrets (see package leaktest). "make test" calls it last. The folder has the output of all
// tests.
//
//	go run ./internal/leaktest/scan out
//
// It prints file and line of each hit. Its exit status is 1 if it found a secret, and 2 if it could
// not search.
package main

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weigate/weigate/internal/leaktest"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run searches the folder that args names, and returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) != 1 {
		fmt.Fprintln(stderr, "usage: scan FOLDER")
		return 2
	}
	hits, files := 0, 0
	err := filepath.WalkDir(args[0], func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		n, err := searchFile(path, stdout)
		hits += n
		return err
	})
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "scan:", err)
		return 2
	case files == 0:
		fmt.Fprintf(stderr, "scan: no files in %s\n", args[0])
		return 2
	case hits > 0:
		return 1
	}
	fmt.Fprintf(stdout, "scan: %d files, nothing planted found\n", files)
	return 0
}

// searchFile searches one file line by line. It prints each hit and returns the number of hits.
// Lines may have any length.
func searchFile(path string, stdout io.Writer) (hits int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	in := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if found := leaktest.Find(line); found != "" {
			hits++
			fmt.Fprintf(stdout, "%s:%d: %s\n", path, n, found)
		}
		if err == io.EOF {
			return hits, nil
		}
		if err != nil {
			return hits, err
		}
	}
}
