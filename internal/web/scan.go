package web

import (
	"html/template"
	"time"
)

// Scan is what the pages of sign-in by scan have besides text. A page with one may run the embedded
// script, which waits for the phone; without it the page loads itself.
type Scan struct {
	State string        // of the ticket, as the page shows it; "" = nothing to wait for
	Self  string        // address of the page itself
	Poll  string        // responds when the ticket has another state
	Renew string        // a POST there makes a new code, which the page sends automatically; "" = only by a button
	Every time.Duration // without JavaScript the page loads itself that often; 0 = never

	Code   *Code
	Image  string // address of the code as a picture, to be saved
	Phone  string // where a simulated phone opens the code; "" = the phones are real
	Number string // the desktop's two digits

	Facts   *Facts
	Choices []string          // the numbers that the phone is asked to choose from
	Action  string            // where a choice is sent
	Fields  map[string]string // sent with it
}

// Seconds returns Every for the page.
func (s *Scan) Seconds() int { return int(s.Every / time.Second) }

// Code is a QR code to draw: one path in a square of Size units, dark on white whatever the colors
// of the page, as readers need it.
type Code struct {
	Size int
	Path string
	Link string // the link in it
}

// Network is whether the desktop is on the network of the phone.
type Network string

// The values of Network. The zero value is not known.
const (
	NetworkUnknown Network = ""
	NetworkSame    Network = "same"
	NetworkOther   Network = "other"
)

// Facts are what a phone shows about the device that asks. Unknown ones are left out, except the
// browser.
type Facts struct {
	App     string
	Browser string
	Place   string
	Network Network
	Ago     time.Duration // since it asked
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
