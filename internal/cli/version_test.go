package cli

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		info debug.BuildInfo
		want string
	}{
		{"nothing recorded", debug.BuildInfo{}, "weigate development build, go"},
		{"a working copy", debug.BuildInfo{Main: debug.Module{Version: "(devel)"},
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123"},
				{Key: "vcs.modified", Value: "true"}}},
			"weigate development build (revision 0123456789ab, with local changes), go"},
		{"a release", debug.BuildInfo{Main: debug.Module{Version: "v0.1.0"},
			Settings: []debug.BuildSetting{{Key: "vcs.modified", Value: "false"}}}, "weigate v0.1.0, go"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := versionLine(nil, &tt.info); !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %q, want it to begin with %q", got, tt.want)
			}
		})
	}
}
