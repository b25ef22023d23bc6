package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// verification is the command of docs/en/verify-release.md.
const verification = "ssh-keygen -Y verify -f allowed_signers -I release@weigate -n weigate-release " +
	"-s SHA256SUMS.sig < SHA256SUMS"

// TestSignature signs checksums with a throw-away key as a release does, and verifies them with the command
// of the documents. A changed file, another key, and a signature that the key made for something else are
// refused.
func TestSignature(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"../../docs/en/verify-release.md", "../../docs/zh-CN/verify-release.md"} {
		text, err := os.ReadFile(page)
		if err != nil || !strings.Contains(string(text), "\n"+verification+"\n") {
			t.Errorf("%s has no %s (%v)", page, verification, err)
		}
	}
	dir := t.TempDir()
	script := copyScript(t, t.TempDir(), "sign.sh")
	shell := func(command string, env ...string) (string, error) {
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir, cmd.Env = dir, append(append(os.Environ(), "WEIGATE_SIGNING_KEY="), env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(command string, env ...string) string {
		t.Helper()
		out, err := shell(command, env...)
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return out
	}
	must("echo content > SHA256SUMS; for k in key other; do ssh-keygen -q -t ed25519 -N '' -C '' -f $k; done")
	must("(printf 'release@weigate namespaces=\"weigate-release\" '; cat key.pub) > allowed_signers")
	if out := must(script + " ."); !strings.Contains(out, "not signed") {
		t.Errorf("without a key: %s", out)
	}
	if _, err := os.Stat(filepath.Join(dir, "SHA256SUMS.sig")); err == nil {
		t.Error("a signature without a key")
	}
	for range 2 { // the second time, there is a signature already
		must(script+" .", "WEIGATE_SIGNING_KEY=key")
	}
	good := regexp.MustCompile(`^Good "weigate-release" signature for release@weigate with ED25519 key SHA256:\S+\n$`)
	if out := must(verification); !good.MatchString(out) {
		t.Errorf("the verification prints %q", out)
	}
	for name, change := range map[string]string{
		"a changed file":              "cp SHA256SUMS.sig good.sig; echo more >> SHA256SUMS",
		"another key":                 "ssh-keygen -q -Y sign -f other -n weigate-release SHA256SUMS",
		"a signature of another kind": "ssh-keygen -q -Y sign -f key -n git SHA256SUMS",
	} {
		must("echo content > SHA256SUMS; rm -f SHA256SUMS.sig")
		must(script+" .", "WEIGATE_SIGNING_KEY=key")
		if name != "a changed file" {
			must("rm SHA256SUMS.sig")
		}
		must(change)
		if out, err := shell(verification); err == nil {
			t.Errorf("%s is accepted: %s", name, out)
		}
	}
	if out, err := shell(script+" .", "WEIGATE_SIGNING_KEY=missing"); err == nil {
		t.Errorf("a missing key is no error: %s", out)
	}
}

// copyScript copies a script into a repository without allowed_signers, and returns its path. Another
// process writes the copy: a child process of another test could inherit the open file of this process,
// and to execute the script would fail with "text file busy" (golang/go#22315).
func copyScript(t *testing.T, repository, name string) string {
	t.Helper()
	script := filepath.Join(repository, "build", name)
	install := exec.Command("install", "-D", "-m", "755", filepath.Join("../../build", name), script)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return script
}

// TestOldSignatureBesideUnsignedRelease makes a release without a key in a folder that has the
// signature of an earlier release. The old signature must go, and a repository that names its
// signers must not make an unsigned release by mistake.
func TestOldSignatureBesideUnsignedRelease(t *testing.T) {
	t.Parallel()
	repository, folder := t.TempDir(), t.TempDir()
	script, signature := copyScript(t, repository, "sign.sh"), filepath.Join(folder, "SHA256SUMS.sig")
	write := func(path string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("content\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(folder, "SHA256SUMS"))
	for _, tt := range []struct {
		key         string
		hasSigners  bool
		wantSuccess bool
	}{
		{key: "", wantSuccess: true},
		{key: "none", wantSuccess: true},
		{key: "", hasSigners: true},
		{key: "none", hasSigners: true, wantSuccess: true},
		{key: "missing", hasSigners: true},
	} {
		write(signature)
		if tt.hasSigners {
			write(filepath.Join(repository, "allowed_signers"))
		}
		cmd := exec.Command(script, folder)
		cmd.Env = append(os.Environ(), "WEIGATE_SIGNING_KEY="+tt.key)
		out, err := cmd.CombinedOutput()
		if (err == nil) != tt.wantSuccess {
			t.Errorf("%+v: %v\n%s", tt, err, out)
		}
		if _, err := os.Lstat(signature); err == nil {
			t.Errorf("%+v: the old signature is left", tt)
		}
	}
}

// TestReleaseWithoutUsableKeyBuildsNothing makes releases with keys that cannot sign, or whose signature
// users would reject. The script must fail before the builds, and leave a folder that the next run accepts.
func TestReleaseWithoutUsableKeyBuildsNothing(t *testing.T) {
	t.Parallel()
	repository, caller := t.TempDir(), t.TempDir()
	script := copyScript(t, repository, "release.sh")
	copyScript(t, repository, "sign.sh")
	built := filepath.Join(t.TempDir(), "built")
	builder := "#!/bin/sh\necho >" + built + "\nexit 1\n" // the test needs no program
	write := exec.Command("sh", "-c", `cat >"$0" && chmod 755 "$0"`, filepath.Join(repository, "build", "binary.sh"))
	write.Stdin = strings.NewReader(builder)
	if out, err := write.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	keys := exec.Command("sh", "-c", "for k in key other; do ssh-keygen -q -t ed25519 -N '' -C '' -f $k; done")
	keys.Dir = caller
	if out, err := keys.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	public, err := os.ReadFile(filepath.Join(caller, "key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	signers := filepath.Join(repository, "allowed_signers")
	for _, tt := range []struct {
		name, key  string
		hasSigners bool
		want       string // "" = the builds begin
	}{
		{name: "no key"},
		{name: "a key of the caller", key: "key"},
		{name: "an absolute path", key: filepath.Join(caller, "key")},
		{name: "a missing key", key: "missing", want: "missing cannot sign"},
		{name: "signers, the right key", key: "key", hasSigners: true},
		{name: "signers, none", key: "none", hasSigners: true},
		{name: "signers, no key", hasSigners: true, want: "set WEIGATE_SIGNING_KEY to the key, or to none"},
		{name: "signers, another key", key: "other", hasSigners: true, want: "is not in allowed_signers"},
	} {
		_ = os.Remove(built)
		if tt.hasSigners {
			line := "release@weigate namespaces=\"weigate-release\" " + string(public)
			if err := os.WriteFile(signers, []byte(line), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(script, "v1.2.3", "dist", "linux/amd64")
		cmd.Dir = caller
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1800000000", "WEIGATE_SIGNING_KEY="+tt.key)
		out, _ := cmd.CombinedOutput() // always an error: the builder fails
		if _, err := os.Stat(built); (err == nil) != (tt.want == "") || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: built %t\n%s", tt.name, err == nil, out)
		}
		if left, err := os.ReadDir(filepath.Join(caller, "dist")); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", tt.name, left, err)
		}
	}
}
