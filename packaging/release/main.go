// Command release writes the files of a release for one system: an archive with the program, its
// documents and the licences of its dependencies, and two SBOMs (CycloneDX and SPDX).
// build/release.sh calls the command.
//
// With -documents, the command instead changes the links of the documents in a folder, which has
// some files of the repository. packaging/debian/build.sh calls it for the Debian package. With
// the argument packaging/=examples/, a link into the repository's folder packaging leads into the
// folder examples of the package. A link to a file that the folder does not have becomes a link to the repository on
// GitHub.
//
// The files depend on the flags and the source only: all times in them are the time of -epoch, and
// files have no owner. So anyone can build a release again and compare.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// release is what to package.
type release struct {
	source  string // root of the repository
	binary  string // path of the built program
	version string // such as v1.2.3
	os      string
	arch    string
	time    time.Time // of all files
	out     string    // folder for the files
}

func main() {
	var r release
	flag.StringVar(&r.source, "source", "", "root `folder` of the repository")
	flag.StringVar(&r.binary, "binary", "", "built program")
	flag.StringVar(&r.version, "version", "", "version, such as v1.2.3")
	flag.StringVar(&r.os, "os", "", "operating system (GOOS)")
	flag.StringVar(&r.arch, "arch", "", "architecture (GOARCH)")
	flag.StringVar(&r.out, "out", "", "`folder` for the files")
	epoch := flag.Int64("epoch", 0, "time of all files, in `seconds` since 1970")
	notices := flag.String("notices", "", "`file` for the licences of the dependencies")
	documents := flag.String("documents", "", "`folder` with documents: change their links, and nothing else")
	flag.Parse()
	if *documents != "" {
		if err := rewriteDocuments(r, *documents, flag.Args()); err != nil {
			fmt.Fprintln(os.Stderr, "release:", err)
			os.Exit(1)
		}
		return
	}
	r.time = time.Unix(*epoch, 0).UTC()
	if err := r.write(*notices); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// rewriteDocuments changes the links of the documents in a folder. moved are the arguments OLD=NEW.
func rewriteDocuments(r release, folder string, moved []string) error {
	l := links{source: r.source, version: r.version}
	for _, each := range moved {
		former, place, found := strings.Cut(each, "=")
		if !found {
			return fmt.Errorf("%q must be OLD=NEW", each)
		}
		l.moved = append(l.moved, [2]string{former, place})
	}
	return l.rewriteFolder(folder)
}

// name returns the name of the archive without its extension, and of the folder in it.
func (r release) name() string {
	return fmt.Sprintf("weigate_%s_%s_%s", r.version[1:], r.os, r.arch) // the version without its "v"
}

// write writes the notices (the licences of the dependencies), the SBOMs and the archive.
func (r release) write(noticesFile string) error {
	modules, err := readModules(r.source, r.binary)
	if err != nil {
		return err
	}
	notices := writeNotices(modules)
	if err := os.WriteFile(noticesFile, notices, 0o644); err != nil {
		return err
	}
	bom, err := r.bom(modules)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.out, r.name()+".cdx.json"), bom, 0o644); err != nil {
		return err
	}
	spdx, err := r.spdx(modules)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.out, r.name()+".spdx.json"), spdx, 0o644); err != nil {
		return err
	}
	files, err := r.files(notices)
	if err != nil {
		return err
	}
	archive, extension := r.tarGz, ".tar.gz"
	if r.os == "windows" {
		archive, extension = r.zip, ".zip"
	}
	return archive(filepath.Join(r.out, r.name()+extension), files)
}
