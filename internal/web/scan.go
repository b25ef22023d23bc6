package web

import (
	"html/template"
	"time"
)

// Scan is what the pages of the desktop sign-in have besides text. A page with one may run our script, which watches for the phone; everything works
// without it, by a page that loads itself.
type Scan struct {
	State string        // of the ticket, as the page shows it; "" = there is nothing to watch
	Self  string        // address of the page itself
	Poll  string        // answers when the ticket has another state
	Renew string        // a POST there makes a new code, which the page asks for by itself; "" = only by a press
	Every time.Duration // without JavaScript the page loads itself that often; 0 = never

	Code   *Code
	Image  string // address of the code as a picture, to be saved
	Phone  string // where a simulated phone takes the code; "" = the phones are real
	Number string // the desktop's two digits

	Facts   *Facts
	Choices []string          // the numbers that the phone is asked to choose from
	Action  string            // where a choice is sent
	Fields  map[string]string // sent with it
}

// Seconds is Every for the page.
func (s *Scan) Seconds() int { return int(s.Every / time.Second) }

// Code is a QR code to draw: one path in a square of Size units, dark on white whatever the colours of the page, or no reader takes it.
type Code struct {
	Size int
	Path string
	Link string // what it says
}

// Network says whether the desktop is where the phone is.
type Network string

// What is known of the networks. The zero value says nothing.
const (
	NetworkUnknown Network = ""
	NetworkSame    Network = "same"
	NetworkOther   Network = "other"
)

// Facts are what a phone is told about the device that asks. Unknown ones are left out, but for the browser: that one is not known is worth knowing.
type Facts struct {
	App     string
	Browser string
	Place   string
	Network Network
	Ago     time.Duration // since it asked
}

// Fact is a line of facts on the page.
type Fact struct{ Name, Value string }

// Facts are the lines, in the language of the page.
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

// ago says how long ago something was, as people say it.
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

// Script is the one script of our pages, which the policy names by its hash.
func (v view) Script() template.JS { return v.script }
