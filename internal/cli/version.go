package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// release is the version of a release. The linker sets it (build/binary.sh).
var release string

// versionCmd is "weigate version".
type versionCmd struct{}

// Run prints one line that identifies the build for a bug report.
func (versionCmd) Run(s *invocation) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	if release != "" {
		info.Main.Version = release
	}
	s.out.printf("%s", versionLine(info))
	return nil
}

// versionLine returns the version, the revision and the platform. The Go toolchain has recorded the
// version and the revision in the binary. If the version is missing, the line says "development
// build".
func versionLine(info *debug.BuildInfo) string {
	version := info.Main.Version
	if version == "" || version == "(devel)" {
		version = "development build"
	}
	var revision, changed string
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			revision = setting.Value
		case "vcs.modified":
			if setting.Value == "true" {
				changed = ", with local changes"
			}
		}
	}
	if revision != "" {
		version += fmt.Sprintf(" (revision %.12s%s)", revision, changed)
	}
	return fmt.Sprintf("weigate %s, %s %s/%s", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
