package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/weigate/weigate/internal/lang"
)

// release is the version of a release. The linker sets it (build/binary.sh).
var release string

// versionCmd is "weigate version".
type versionCmd struct {
	JSON bool `name:"json" help:"Print JSON, one object on each line."`
}

// Run prints one line that identifies the build for a bug report.
func (c versionCmd) Run(s *invocation) error {
	info := buildInfo()
	if c.JSON {
		return s.out.printJSON(newVersionEntry(info))
	}
	s.out.printf("%s", versionLine(s.out.texts, info))
	return nil
}

// buildInfo returns what the Go toolchain has recorded in the binary, with the version of a release.
func buildInfo() *debug.BuildInfo {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	if release != "" {
		info.Main.Version = release
	}
	return info
}

// versionLine returns the version, the revision and the platform. The Go toolchain has recorded the
// version and the revision in the binary. If the version is missing, the line says "development
// build".
func versionLine(formats lang.Formats, info *debug.BuildInfo) string {
	v := newVersionEntry(info)
	version, changed := cmp.Or(v.Version, formats.Translate("development build")), ""
	if v.Modified {
		changed = formats.Translate(", with local changes")
	}
	if v.Revision != "" {
		version = formats.Sprintf("%s (revision %.12s%s)", version, v.Revision, changed)
	}
	return fmt.Sprintf("weigate %s, %s %s", version, v.Go, v.Platform)
}

// versionEntry is the JSON object of "weigate version --json".
type versionEntry struct {
	Version  string `json:"version"` // "" for a build of a working copy
	Revision string `json:"revision"`
	Modified bool   `json:"modified"` // with local changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersionEntry(info *debug.BuildInfo) versionEntry {
	v := versionEntry{
		Version: strings.TrimPrefix(info.Main.Version, "(devel)"), Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			v.Revision = setting.Value
		case "vcs.modified":
			v.Modified = setting.Value == "true"
		}
	}
	return v
}
