package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/chromedp"
)

// faults lists what is wrong with a page for those who read it small, by voice or by keyboard. It
// takes the width of the window, since a phone's innerWidth grows with a page that is too wide.
const faults = `((width) => {
	const out = [];
	const text = (id) => (document.getElementById(id) || {}).innerText || "";
	const name = (e) => (e.getAttribute("aria-label") || "").trim() ||
		(e.getAttribute("aria-labelledby") || "").split(/\s+/).map(text).join(" ").trim();
	if (!document.title.trim()) out.push("no title");
	const wide = document.scrollingElement;
	if (wide.scrollWidth > width) {
		const culprits = [...document.querySelectorAll("body *")]
			.filter((e) => e.getBoundingClientRect().right > width + 1)
			.map((e) => e.tagName + "." + e.className + "#" + e.id);
		out.push("wider than the window: " + wide.scrollWidth + " > " + width + ": " + culprits.slice(0, 5).join(" "));
	}
	for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
		if (![...(e.labels || [])].some((l) => l.textContent.trim()) && !name(e)) out.push("no label: " + e.outerHTML);
	for (const e of document.querySelectorAll("a[href], button, summary"))
		if (!e.innerText.trim() && !name(e) && e.checkVisibility()) out.push("no text: " + e.outerHTML);
	for (const e of document.images) {
		if (!e.hasAttribute("alt")) out.push("no alt: " + e.outerHTML);
		if (!e.complete || !e.naturalWidth) out.push("not loaded: " + e.outerHTML);
	}
	if (document.querySelectorAll("main").length !== 1) out.push("not one main");
	// A word, or a name without spaces, goes on in the next line only if it is longer than a line.
	const broken = (node, at, end) => {
		const range = document.createRange();
		range.setStart(node, at);
		range.setEnd(node, end);
		return new Set([...range.getClientRects()].map((each) => Math.round(each.top / 8))).size > 1;
	};
	for (const e of document.querySelectorAll("main.card :is(h1, p, .button):not(.copy, .skip)")) {
		const texts = document.createTreeWalker(e, NodeFilter.SHOW_TEXT);
		for (let node; (node = texts.nextNode());)
			for (const word of node.data.matchAll(/[A-Za-z]{2,18}|“[^”\s]{1,10}”/g))
				if (broken(node, word.index, word.index + word[0].length)) out.push("broken within: " + word[0]);
	}
	return out.join("\n");
})(%d)`

// see keeps a picture of the page and fails the test when the page is not fit to be seen, also by
// the judgement of axe-core.
func (w *window) see(name string) {
	w.t.Helper()
	w.glance(name)
	w.audit(name)
	if w.also == 0 {
		return
	}
	own := w.look.width
	w.resize(w.also)
	w.glance(name)
	w.resize(own)
}

// glance is see for a page that continues automatically soon. The name of the screenshot has the
// page, the language and the width.
func (w *window) glance(name string) {
	w.t.Helper()
	w.check(name)
	w.keep(name)
}

// check fails the test when the page is not fit to be seen.
func (w *window) check(name string) {
	w.t.Helper()
	// A page is complete before its lazy images are.
	ask(w, "loading the images", chromedp.Evaluate[bool](`Promise.all([...document.images].map((e) => {
		e.loading = "eager";
		return e.decode().catch(() => {});
	})).then(() => true)`, chromedp.EvalAwaitPromise))
	if found := eval[string](w, fmt.Sprintf(faults, w.look.width)); found != "" {
		w.t.Errorf("the page %s (%s): %s", name, w.look, found)
	}
	if lang := eval[string](w, "document.documentElement.lang"); lang != w.look.lang {
		w.t.Errorf("the page %s is in %q, want %s", name, lang, w.look.lang)
	}
	if strings.HasPrefix(w.at(), w.site.app) {
		// First the page, then the lock: the answer comes only after the events before it, and hear
		// wants the lock for those.
		html := eval[string](w, "document.documentElement.outerHTML")
		w.wire.mu.Lock()
		found := w.wire.secret(html)
		w.wire.mu.Unlock()
		if found != "" {
			w.t.Errorf("the page %s has %s", name, found)
		}
	}
}

// keep keeps a picture of the page.
func (w *window) keep(name string) {
	w.t.Helper()
	// The bar at the bottom of a phone belongs below the content, not in the middle of the picture.
	if w.look.width < phoneWidth && w.has("nav.nav") {
		height := eval[int64](w, "document.documentElement.scrollHeight")
		w.do("making the window high", chromedp.EmulateViewport(w.look.width, height, chromedp.EmulateMobile))
		defer w.do("making the window low", viewport(w.look.width))
	}
	// Chromium encodes JPEG several times faster than PNG, which is what a quality of 100 selects.
	picture := ask(w, "taking a picture", chromedp.FullScreenshot(85))
	if err := os.WriteFile(filepath.Join(suite.screenshots, name+"-"+w.look.String()+".jpg"), picture, 0o666); err != nil {
		w.t.Error(err)
	}
}
