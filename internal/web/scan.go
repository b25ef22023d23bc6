package web

import (
	"html/template"
	"time"
)

// Scan is the data of the pages of sign-in by scan. These pages run the embedded script, which
// waits for the phone; without JavaScript they reload at intervals.
type Scan struct {
	State       string        // the ticket's state that the page shows; "" = nothing to wait for
	Self        string        // address of the page itself
	Poll        string        // long poll that responds when the state changes
	Renew       string        // address to which the page posts to renew the code automatically; "" = only by a button
	ReloadEvery time.Duration // how often the page reloads without JavaScript; 0 = never

	Code   *Code
	Image  string // address of the code as a picture, to be saved
	Phone  string // where a simulated phone opens the code; "" = the phones are real
	Number string // the desktop's two digits

	Facts   *Facts
	Choices []string          // the numbers that the phone is asked to choose from
	Action  string            // where a choice is sent
	Fields  map[string]string // sent with it
}

// Seconds returns ReloadEvery for the page.
func (s *Scan) Seconds() int { return int(s.ReloadEvery / time.Second) }

// Code is a QR code to draw: one path in a square of Size units, always dark on white, since
// readers require it.
type Code struct {
	Size int
	Path string
	Link string // the link in it
}

// Network is whether the desktop and the phone are on the same network.
type Network string

// The values of Network. The zero value is not known.
const (
	NetworkUnknown Network = ""
	NetworkSame    Network = "same"
	NetworkOther   Network = "other"
)

// Facts are the facts about the desktop that a phone shows. Unknown facts are omitted, except the
// browser.
type Facts struct {
	App     string
	Browser string
	Place   string
	Network Network
	Ago     time.Duration // since the sign-in started
}

// Fact is a line of facts on the page.
type Fact struct{ Name, Value string }

// Facts returns the lines, in the language of the page.
func (v view) Facts() (out []Fact, err error) {
	f := v.Scan.Facts
	add := func(name, value string, err error) error {
		if err != nil || value == "" {
			return err
		}
		label, err := v.Word(name)
		out = append(out, Fact{label, value})
		return err
	}
	app, browser := f.App, f.Browser
	if app == "" {
		app, err = v.Word("app")
	}
	if browser == "" && err == nil {
		browser, err = v.Word("scan.browser.unknown")
	}
	if err = add("scan.app", app, err); err == nil {
		err = add("scan.browser", browser, nil)
	}
	if err == nil {
		err = add("scan.place", f.Place, nil)
	}
	network := ""
	if err == nil && f.Network != NetworkUnknown {
		network, err = v.Word("scan.network." + string(f.Network))
	}
	if err == nil {
		err = add("scan.network", network, nil)
	}
	if err == nil {
		ago, wordErr := v.ago(f.Ago)
		err = add("scan.ago", ago, wordErr)
	}
	return out, err
}

// ago returns how long ago something was, in words.
func (v view) ago(d time.Duration) (string, error) {
	key, n := "scan.ago.seconds", int(d/time.Second)
	switch {
	case d < 5*time.Second:
		key = "scan.ago.now"
	case d >= 2*time.Hour:
		key, n = "scan.ago.hours", int(d/time.Hour)
	case d >= 2*time.Minute:
		key, n = "scan.ago.minutes", int(d/time.Minute)
	}
	return v.texts.Text(key, "n", n)
}

// Script returns the embedded script, whose hash is in the policy.
func (v view) Script() template.JS { return v.script }
