package packaging_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// stages parses the Dockerfile as Docker does. A warning of Docker's linter is a failure.
func stages(t *testing.T) []instructions.Stage {
	t.Helper()
	file, err := parser.Parse(strings.NewReader(read(t, "Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range file.Warnings {
		t.Errorf("Dockerfile: %s", w.Short)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, message string, at []parser.Range) {
		t.Errorf("Dockerfile:%v: %s: %s", at, rule, message)
	}})
	all, _, err := instructions.Parse(file.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	all := stages(t)
	if len(all) != 2 || all[0].Name != "build" || all[0].Platform != "$BUILDPLATFORM" || all[1].BaseName != "scratch" {
		t.Fatalf("want a stage build on the builder's platform, and scratch: %+v", all)
	}
	var user, health, volume bool
	for _, c := range all[1].Commands {
		switch c := c.(type) {
		case *instructions.RunCommand:
			t.Error("RUN in the final stage: scratch has no shell")
		case *instructions.UserCommand: // Kubernetes' runAsNonRoot needs a number
			user = c.User == "65532:0"
		case *instructions.HealthCheckCommand:
			health = slices.Equal(c.Health.Test, []string{"CMD", "/usr/bin/weigate", "ping"})
		case *instructions.VolumeCommand:
			volume = slices.Equal(c.Volumes, []string{"/data"})
		}
	}
	if !user || !health || !volume {
		t.Errorf("user by number %v, health check by the program %v, volume %v", user, health, volume)
	}
}

// The image contains what .dockerignore lists, so nothing else may be needed, and no secret may be
// in it.
func TestDockerIgnore(t *testing.T) {
	t.Parallel()
	lines := strings.Split(read(t, ".dockerignore"), "\n")
	if !slices.Contains(lines, "*") {
		t.Fatal("not everything is excluded first")
	}
	for _, line := range lines {
		name, isIncluded := strings.CutPrefix(line, "!")
		if !isIncluded {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestCompose(t *testing.T) {
	t.Parallel()
	file := filepath.Join(root, "compose.yaml")
	options, err := cli.NewProjectOptions([]string{file}, cli.WithResolvedPaths(false), cli.WithConsistency(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context()) // validates against the schema of the specification
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, "compose.yaml")
	for what, bad := range map[string]string{
		"the obsolete key version":                     "\nversion:",
		"a tag that changes (pocket-id/pocket-id#577)": ":latest",
		"localhost in a container (dromara/MaxKey#71)": "@localhost",
		"a value with $ (wg-easy/wg-easy#1142)":        "${",
	} {
		if strings.Contains(text, bad) {
			t.Errorf("compose.yaml has %s", what)
		}
	}
	gateway, database := project.Services["weigate"], project.Services["postgres"]
	if gateway.DependsOn["postgres"].Condition != types.ServiceConditionHealthy {
		t.Error("the gateway does not wait for PostgreSQL")
	}
	if !gateway.ReadOnly || !slices.Equal(gateway.CapDrop, []string{"ALL"}) ||
		!slices.Equal(gateway.SecurityOpt, []string{"no-new-privileges:true"}) {
		t.Error("the gateway's container has more rights than it needs")
	}
	for name, s := range project.Services {
		if s.HealthCheck == nil || s.Restart != "unless-stopped" || s.Build != nil {
			t.Errorf("%s: a health check, restart: unless-stopped, and no build at the start are required", name)
		}
		for _, secret := range s.Secrets {
			if project.Secrets[secret.Source].File == "" {
				t.Errorf("%s: the secret %s is not a file", name, secret.Source)
			}
		}
		isNamed := func(v types.ServiceVolumeConfig) bool { return v.Type == types.VolumeTypeVolume }
		if !slices.ContainsFunc(s.Volumes, isNamed) {
			t.Errorf("%s keeps its data in no named volume", name)
		}
	}
	if len(gateway.Environment)+len(database.Environment) != 3 {
		t.Error("secrets belong in files, not in the environment")
	}
}
