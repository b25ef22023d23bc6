package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// versionCmd is "weigate version".
type versionCmd struct{}

// Run prints one line that identifies the build for a bug report.
func (versionCmd) Run(s *invocation) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	s.out.printf("%s", versionLine(info))
	return nil
}

// versionLine returns version, revision and platform, as recorded by the Go toolchain. A build from
// a working copy has no version.
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
