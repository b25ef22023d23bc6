package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/weigate/weigate/internal/fixture"
)

// suite is what all tests share: the one browser, the built program, and where pictures go.
var suite struct {
	browser     context.Context
	weigate     string // path of the built program
	screenshots string
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

// run prepares what the tests share. The browser leaves folders behind in TMPDIR, so it gets one
// that is removed.
func run(m *testing.M) (int, error) {
	path, err := findBrowser()
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "weigate-e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := errors.Join(os.Setenv("TMPDIR", dir), fixture.SetEnglish()); err != nil {
		return 0, err
	}

	if suite.weigate, err = fixture.Program(dir); err != nil {
		return 0, err
	}
	out := os.Getenv("WEIGATE_OUT")
	if out == "" {
		out = filepath.Join("..", "..", "out")
	}
	suite.screenshots = filepath.Join(out, "screenshots")
	if err := os.MkdirAll(suite.screenshots, 0o777); err != nil {
		return 0, err
	}

	// The screen of a phone on the control page is a sandboxed frame. In a process of its own it
	// would be out of the tests' reach.
	oneProcess := chromedp.Flag("disable-features", "Translate,BlinkGenPropertyTrees,IsolateSandboxedIframes")
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Flag("hide-scrollbars", true),
		oneProcess)...)
	defer stop()
	browser, closeBrowser := chromedp.NewContext(allocator)
	defer closeBrowser()
	if err := chromedp.Do(browser); err != nil {
		return 0, fmt.Errorf("starting %s: %w", path, err)
	}
	suite.browser = browser
	return m.Run(), nil
}

// findBrowser prefers Debian's headless shell itself to the script of that name: ending the
// script would leave the browser running.
func findBrowser() (string, error) {
	for _, name := range []string{"/usr/lib/chromium/chromium-headless-shell", "chromium-headless-shell",
		"chrome-headless-shell",
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New(
		"no Chromium on this machine: run \"make deps\" (as root on Debian), or install chromium-headless-shell or Chrome")
}
