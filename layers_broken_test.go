package weigate_test

import (
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

// brokenTree returns a small module that obeys its import rules, with the given files added or
// replaced.
func brokenTree(over map[string]string) fstest.MapFS {
	files := map[string]string{
		"go.mod":           "module " + modulePath,
		"wechat/client.go": "package wechat\nimport \"net/http\"\n",
		"wechat/client_test.go": "package wechat_test\nimport \"" + modulePath + "/wechat\"\n" +
			"import \"" + modulePath + "/wechattest\"\n",
		"wechattest/server.go": "package wechattest\n",
		"cli/cli.go": "package cli\nimport \"example.com/flags/sub\"\n" +
			"import \"" + modulePath + "/wechat\"\n",
		"bench/go.mod":             "module bench",
		"bench/b.go":               "package bench\nimport \"example.com/anything\"\n",
		"wechat/testdata/x/bad.go": "package x\nimport \"example.com/anything\"\n",
	}
	maps.Copy(files, over)
	m := fstest.MapFS{}
	for name, src := range files {
		m[name] = &fstest.MapFile{Data: []byte(src)}
	}
	return m
}

// TestLayersFailWhenBroken violates one rule at a time and expects the sentence that reports it.
func TestLayersFailWhenBroken(t *testing.T) {
	t.Parallel()
	const good = "import wechat:\ntests wechat: wechattest\nimport wechattest:\nimport cli: wechat example.com/flags\n"
	for _, tt := range []struct {
		name   string
		layers string
		files  map[string]string
		want   []string // words of each problem, in order; empty: none
	}{
		{"all in order", good, nil, nil},
		{"a third-party import in a public package", good,
			map[string]string{"wechat/extra.go": "package wechat\nimport \"example.com/json\"\n"},
			[]string{`wechat/extra.go: package wechat may not import example.com/json: ` +
				`do without it, or, if the rule should change, add example.com/json to the line "import wechat:"`}},
		{"the simulator imports the client", good,
			map[string]string{"wechattest/extra.go": "package wechattest\nimport \"" + modulePath + "/wechat\"\n"},
			[]string{`package wechattest may not import wechat`}},
		{"the simulator's test imports the client", good,
			map[string]string{"wechattest/extra_test.go": "package wechattest_test\n" +
				"import \"" + modulePath + "/wechat\"\n"},
			[]string{`to the line "tests wechattest:"`}},
		{"a file for another system", good,
			map[string]string{"wechat/x_plan9.go": "//go:build plan9\n\npackage wechat\nimport \"example.com/json\"\n"},
			[]string{`wechat/x_plan9.go: package wechat may not import example.com/json`}},
		{"what tests may import is not for the package", good,
			map[string]string{"wechat/extra.go": "package wechat\nimport \"" + modulePath + "/wechattest\"\n"},
			[]string{`package wechat may not import wechattest`}},
		{"a path that only begins the same", good,
			map[string]string{"cli/extra.go": "package cli\nimport \"example.com/flagship\"\n"},
			[]string{`package cli may not import example.com/flagship`}},
		{"a new package without a line", good,
			map[string]string{"extra/extra.go": "package extra\n",
				"extra/b.go": "package extra\nimport \"example.com/x\"\n"},
			[]string{`package extra has no line in layers.txt: add "import extra:"`}},
		{"a broken line: the allowance is gone", strings.Replace(good, "cli: wechat ", "cli: ", 1), nil,
			[]string{`package cli may not import wechat`}},
		{"an allowance for nobody", strings.Replace(good, "import wechattest:", "import wechattest: wechat", 1), nil,
			[]string{`"import wechattest:" allows wechat, which no file imports`}},
		{"a line for no package", good + "import gone:\n", nil,
			[]string{`"import gone:" names a package that does not exist`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, err := parseLayers(tt.layers)
			if err != nil {
				t.Fatal(err)
			}
			found, err := readImports(brokenTree(tt.files))
			if err != nil {
				t.Fatal(err)
			}
			got, used := l.problems(found)
			got = append(got, l.idle(found, used)...)
			if len(got) != len(tt.want) {
				t.Fatalf("got %d problems, want %d:\n%s", len(got), len(tt.want), strings.Join(got, "\n"))
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("problem %d:\n got %s\nwant %s", i, got[i], want)
				}
			}
		})
	}
}

func TestLayersFileIsStrict(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"no colon", "import wechat\n", "layers.txt:1: want"},
		{"unknown kind", "\nimports wechat:\n", `layers.txt:2: a line begins with "import" or "tests", not "imports"`},
		{"twice", "import a: b\nimport a: c\n", `layers.txt:2: a second "import" line for a`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := parseLayers(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}
