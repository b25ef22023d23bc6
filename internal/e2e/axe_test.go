package e2e_test

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axe-core judges pages for those who read them by voice, by keyboard or with weak eyes. It comes
// from npm, by name and checksum.
//
//go:embed axe/package.json axe/package-lock.json
var axePackage embed.FS

// axe returns the source of axe-core, which is installed once.
var axe = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "axe-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	files, err := fs.Sub(axePackage, "axe")
	if err == nil {
		err = os.CopyFS(dir, files)
	}
	if err != nil {
		return "", err
	}
	install := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w (node and npm are brought by \"make deps\")\n%s", err, out)
	}
	source, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	return string(source), err
})

// audited has the pages that were checked. Many tests visit the same page.
var audited sync.Map

// auditedLooks are one of each language and of each width.
var auditedLooks = map[look]bool{flows[0]: true, flows[1]: true}

// exempt returns the rules that the page breaks on purpose, as an object for axe-core.
func (w *window) exempt() string {
	w.t.Helper()
	// The pages look again by themselves, and without JavaScript: nothing that is typed gets lost,
	// and what is shown stays the same.
	rules := `"meta-refresh": {enabled: false}`
	if strings.HasPrefix(w.at(), w.site.wechat) {
		// The simulator's messages are headed as WeChat's own are, by an h4.
		rules += `, "page-has-heading-one": {enabled: false}`
	}
	return "{" + rules + "}"
}

// audit fails the test when axe-core finds fault with the page, in light colours or in dark ones.
// The dark colours do not depend on the language and the width, so they are checked once for a page,
// and audit keeps a picture of it.
func (w *window) audit(name string) {
	w.t.Helper()
	if _, done := audited.LoadOrStore(name+w.look.String(), true); done || !auditedLooks[w.look] {
		return
	}
	w.runAxe(name+", light", `{resultTypes: ["violations"], iframes: false, rules: `+w.exempt()+`}`)
	if _, done := audited.LoadOrStore(name, true); done ||
		eval[bool](w, `matchMedia("(prefers-color-scheme: dark)").matches`) {
		return
	}
	w.dark(true)
	defer w.dark(false)
	w.runAxe(name+", dark", `{resultTypes: ["violations"], iframes: false, runOnly: ["color-contrast"]}`)
	w.keep(name + "-dark")
}

// dark sets whether the window prefers dark colours.
func (w *window) dark(on bool) {
	w.t.Helper()
	var params emulation.SetEmulatedMediaParams
	if on {
		params.Features = []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}
	}
	command(w, emulation.SetEmulatedMedia, params)
}

// runAxe runs axe-core with options, and fails the test for each element that breaks a rule.
func (w *window) runAxe(what, options string) {
	w.t.Helper()
	source, err := axe()
	if err != nil {
		w.t.Fatal(err)
	}
	// Animations are finished, so that axe-core sees the final colours. A page that reloaded by
	// itself has lost axe-core.
	const reloaded = "reloaded"
	script := fmt.Sprintf(`document.getAnimations().forEach((a) => a.finish());
		typeof axe !== "object" ? Promise.resolve(%q) : axe.run(document, %s).then((r) =>
			r.violations.flatMap((v) => v.nodes.map((n) =>
				v.impact + " " + v.id + " (" + v.help + "): " + n.html + " " +
				(n.any[0] || n.all[0] || n.none[0]).message)).join("\n"))`, reloaded, options)
	found := reloaded
	for found == reloaded {
		if !eval[bool](w, `typeof axe === "object"`) {
			eval[bool](w, source+"; true")
		}
		found = ask(w, "running axe-core", chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	}
	if found != "" {
		w.t.Errorf("axe-core on the page %s (%s):\n%s", what, w.look, found)
	}
}
