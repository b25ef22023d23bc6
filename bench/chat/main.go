// Command chat measures the sign-in of desktops through the chat of an official account while a thousand
// other desktops wait, and prints a table: the memory and CPU that waiting costs, and the complete
// sign-ins a second at the same time. README.md describes how to read it.
//
// The gateway runs as "weigate serve"; WeChat, the desktops and the people who write to the account are
// in this process. It runs on Linux.
package main

import (
	"context"
	"flag"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/bench/load"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

func run() error {
	store := flag.String("store", "sqlite:weigate.db",
		"the store, as in the configuration: postgres://… for PostgreSQL, an empty database")
	method := flag.String("method", "message", "message or follow")
	people := flag.Int("people", 1000, "how many people write to the account, in turn")
	b := load.Waiting{}
	flag.IntVar(&b.Desktops, "waiting", 1000, "how many desktops wait")
	flag.DurationVar(&b.For, "for", 10*time.Second, "how long is measured")
	flag.IntVar(&b.Workers, "workers", 16, "how many desktops sign in at once")
	flag.Parse()
	dir, err := os.MkdirTemp("", "weigate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	started, err := load.Start(dir, load.Config{Store: *store, Users: *people, Apps: "[]", Push: true})
	if err != nil {
		return err
	}
	defer started.Stop()
	g := &gateway{Gateway: started, method: *method, people: *people}
	b.Wait, b.SignIn = g.wait, g.signIn
	return b.Run(started, *store)
}

// gateway is the process, and the people who sign desktops in.
type gateway struct {
	*load.Gateway
	method   string
	people   int
	desktops atomic.Int64
	turn     atomic.Int64
}

var (
	choiceOf = regexp.MustCompile(`id="way-(\w+)" href="([^"]*)"`)
	pollOf   = regexp.MustCompile(`data-poll="([^"]*)"`)
	formOf   = regexp.MustCompile(`action="([^"]*/chat/code[^"]*)"`)
	codeOf   = regexp.MustCompile(`Code: (\d{4})`)
	shownOf  = map[string]*regexp.Regexp{
		"message": regexp.MustCompile(`id="chat-number" translate="no">(\d{3} \d{4})<`),
		"follow":  regexp.MustCompile(`href="(http[^"]*/q/[^"]*)"`),
	}
)

func find(what *regexp.Regexp, page string) (string, error) {
	m := what.FindStringSubmatch(page)
	if m == nil {
		return "", fmt.Errorf("no %s on the page: %.300s", what, page[strings.Index(page, "<body")+1:])
	}
	return html.UnescapeString(m[len(m)-1]), nil
}

// open opens the page of a new desktop, which chooses the method. Each desktop is in its own network:
// one network may have 500 numbers, and 300 QR codes.
func (g *gateway) open(ctx context.Context) (*load.Browser, string, error) {
	desktop, err := g.NewBrowser(load.Desktop, "")
	if err != nil {
		return nil, "", err
	}
	n := g.desktops.Add(1)
	desktop.Address = fmt.Sprintf("11.%d.%d.%d", n>>16&255, n>>8&255, n&255)
	page, err := desktop.Open(ctx, http.MethodGet, g.URL+"/sign-in?return=/", nil, "")
	if err != nil {
		return nil, "", err
	}
	for _, m := range choiceOf.FindAllStringSubmatch(page, -1) {
		if m[1] == g.method {
			page, err = desktop.Open(ctx, http.MethodGet, g.URL+html.UnescapeString(m[2]), nil, "")
			return desktop, page, err
		}
	}
	return nil, "", fmt.Errorf("no method %s on the page: %.300s", g.method, page)
}

// wait opens the page of a desktop and polls, as the script of the page does, until ctx ends.
func (g *gateway) wait(ctx context.Context) error {
	desktop, page, err := g.open(ctx)
	if err != nil {
		return err
	}
	poll, err := find(pollOf, page)
	if err != nil {
		return err
	}
	go func() {
		for ctx.Err() == nil {
			answer, err := desktop.Open(ctx, http.MethodGet, g.URL+poll+"&seen=waiting", nil, "")
			if err == nil && !strings.Contains(answer, "waiting") {
				err = fmt.Errorf("the desktop no longer waits: %s", answer)
			}
			if err != nil && ctx.Err() == nil {
				g.Fail(err)
				return
			}
		}
	}()
	return nil
}

// signIn performs one complete sign-in with a new desktop and the next person.
func (g *gateway) signIn() error {
	ctx := context.Background()
	desktop, page, err := g.open(ctx)
	if err != nil {
		return err
	}
	shown, err := find(shownOf[g.method], page)
	if err != nil {
		return err
	}
	person := load.UserID(int(g.turn.Add(1)) % g.people)
	send := g.SendText
	if g.method == "follow" {
		send = g.ScanQR
	}
	reply, err := send(ctx, person, shown)
	if err != nil {
		return err
	}
	code, err := find(codeOf, reply)
	if err != nil {
		return err
	}
	action, err := find(formOf, page)
	if err != nil {
		return err
	}
	page, err = desktop.Open(ctx, http.MethodPost, g.URL+action, url.Values{"code": {code}}, "")
	if err != nil {
		return err
	}
	_, err = find(regexp.MustCompile(`id="(scan_signed_in)"`), page)
	return err
}
