package cli

import (
	"cmp"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/lang"
)

// codeFence begins and ends a block of code in Markdown.
const codeFence = "```"

// report prints a text that an administrator pastes into a bug report: the version, the system, the
// configuration without secrets and without openids, and the results of the check. The text is a
// block of Markdown code, so that a forge shows it unchanged. Errors of the check are part of it.
func (c *checkCmd) report(s *invocation) error {
	out := s.out
	s.out.err = out.out
	out.printf("%s", codeFence+"text")
	out.printf("%s", versionLine(out.texts, buildInfo()))
	printChecked(out, "system", lang.Text("%s, %s, user id %d, %s", systemName(os.ReadFile),
		lang.Count(runtime.NumCPU(), "1 processor", "%d processors"), os.Geteuid(), time.Now().Format(time.RFC3339)))
	text, variables, err := config.Redacted(c.Config, s.getenv)
	if variables = append(variables, otherVariables(s.getenv)...); len(variables) > 0 {
		slices.Sort(variables)
		printChecked(out, "variables", lang.Words(variables))
	}
	if err == nil {
		out.printf("\n%s", strings.TrimSpace(text))
	}
	out.printf("")
	err = c.check(s)
	s.printError(err)
	if err != nil && !errors.Is(err, errCheckFailed) {
		err = &marked{err: errCheckFailed, mark: err} // the mark keeps the exit code
	}
	out.printf("%s", codeFence)
	out.hintf("read the report before you publish it: it has the names of hosts, apps and files, IP addresses and appids")
	return err
}

// otherVariables returns the names of the environment variables that are set and influence the
// program, without those of configuration keys.
func otherVariables(getenv func(string) string) (names []string) {
	for _, name := range []string{
		"WEIGATE_CONFIG", "TZ", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "CREDENTIALS_DIRECTORY", "INVOCATION_ID", "SQLITE_TMPDIR", "GODEBUG", "GOMEMLIMIT",
	} {
		if getenv(name) != "" {
			names = append(names, name)
		}
	}
	return names
}

// systemName returns the name of the operating system, such as "Debian GNU/Linux 12 (bookworm), Linux
// 6.1.0". read reads a file. In a container, the first part is the image's system, if it has one.
func systemName(read func(name string) ([]byte, error)) string {
	kernel, err := read("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	name := ""
	release, _ := read("/etc/os-release") // an image may have none
	for line := range strings.Lines(string(release)) {
		if value, found := strings.CutPrefix(line, "PRETTY_NAME="); found {
			name = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return cmp.Or(name, "no /etc/os-release") + ", Linux " + strings.TrimSpace(string(kernel))
}
