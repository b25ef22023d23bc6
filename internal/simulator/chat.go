package simulator

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// chatPage is the data of chat.html.
type chatPage struct {
	personCard
	App     wechattest.App
	Account string // name of the account
	Follows bool   // the person follows the account
	Menu    bool   // the account has a menu

	// WebSignIn is true for an account with web sign-in. The page then offers the events that WeChat
	// pushes when a person changes or withdraws the consent.
	WebSignIn bool

	Lines    []chatLine
	Note     string // key of a text; "" for none
	Codes    []wechattest.SceneCode
	OwnCode  string // content of the account's own QR code
	People   []personCard
	Accounts []wechattest.App
	Delivery wechattest.Delivery // of the last push
	Text     string              // what the field for a message contains at first
	Scan     string              // what the field for a link contains at first
}

// chatLine is a line of a chat as the page shows it.
type chatLine struct {
	wechattest.ChatMessage
	Dated bool // the page shows the time above the line
	Parts []chatPart
}

// chatPart is a part of a text. Link is an address that opens on the phone. Sends is a text that
// the person sends by tapping the part. Both are "" for ordinary text.
type chatPart struct{ Text, Link, Sends string }

// chatLink matches a link in a reply. WeChat shows it as a link.
var chatLink = regexp.MustCompile(`(?s)<a\s[^>]*?href="([^"]*)"[^>]*>(.*?)</a>`)

// chatParts splits the text of a reply at its links. The link weixin://bizmsgmenu sends a text.
func chatParts(text string) (parts []chatPart) {
	last := 0
	for _, m := range chatLink.FindAllStringSubmatchIndex(text, -1) {
		address, label := html.UnescapeString(text[m[2]:m[3]]), text[m[4]:m[5]]
		part := chatPart{Text: label, Link: address}
		if u, err := url.Parse(address); err == nil && u.Scheme == "weixin" && u.Host == "bizmsgmenu" {
			part.Link, part.Sends = "", u.Query().Get("msgmenucontent")
		}
		parts = append(parts, chatPart{Text: text[last:m[0]]}, part)
		last = m[1]
	}
	return append(parts, chatPart{Text: text[last:]})
}

// chatLines returns the lines of a chat, oldest first. As in WeChat, a time is above a line that
// comes more than five minutes after the line before it.
func chatLines(all []wechattest.ChatMessage) []chatLine {
	out, before := []chatLine{}, time.Time{}
	for _, m := range all {
		line := chatLine{ChatMessage: m, Dated: m.Time.Sub(before) > 5*time.Minute}
		if m.From == "account" {
			line.Parts = chatParts(printableLines(m.Text))
		} else {
			line.Parts = []chatPart{{Text: printableLines(m.Text)}}
		}
		out, before = append(out, line), m.Time
	}
	return out
}

// printableLines replaces control characters as printable does, but keeps the line breaks.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = printable(strings.TrimSuffix(lines[i], "\r"))
	}
	return strings.Join(lines, "\n")
}

// accounts returns the apps that have a chat.
func (c *control) accounts() []wechattest.App {
	return slices.DeleteFunc(c.server.Apps(), func(a wechattest.App) bool { return a.Kind == wechattest.WebsiteApp })
}

// redirectToChat serves GET /chat: it redirects to the chat of a person with an account. The
// default person is the first one. The parameters text and scan only fill in the fields of the
// page. Nothing is sent or scanned until the developer presses the button, because every website
// can link to /chat.
func (c *control) redirectToChat(w http.ResponseWriter, r *http.Request) {
	person := r.FormValue("person")
	if people := c.server.People(); !c.hasPerson(person) && len(people) > 0 {
		person = people[0].ID
	}
	to := url.URL{Path: "/phones/" + person + "/chats/" + r.FormValue("account")}
	fill := url.Values{}
	for _, name := range []string{"text", "scan"} {
		if value := fillParam(r, name); value != "" {
			fill.Set(name, value)
		}
	}
	to.RawQuery = fill.Encode()
	c.redirect(w, r, to.String())
}

func chatPath(person, appID, note string) string {
	path := "/phones/" + url.PathEscape(person) + "/chats/" + url.PathEscape(appID)
	if note != "" {
		path += "?note=" + note
	}
	return path
}

// chatPage serves GET /phones/{person}/chats/{appid}.
func (c *control) chatPage(w http.ResponseWriter, r *http.Request) {
	person, appID := r.PathValue("person"), r.PathValue("appid")
	people, accounts := c.server.People(), c.accounts()
	i := slices.IndexFunc(people, func(p wechattest.Person) bool { return p.ID == person })
	j := slices.IndexFunc(accounts, func(a wechattest.App) bool { return a.AppID == appID })
	if i < 0 || j < 0 {
		c.errorPage(w, r, http.StatusNotFound, "error-missing")
		return
	}
	a := accounts[j]
	state, err := c.server.UserState(appID, person)
	if err != nil { // the app or person has just been removed
		c.errorPage(w, r, http.StatusNotFound, "error-missing")
		return
	}
	data := chatPage{
		personCard: c.personCard(&people[i]), App: a, Account: accountName(&a), Follows: state.Follows,
		Menu:      a.Kind != wechattest.SubscriptionAccount,
		WebSignIn: a.Kind == wechattest.OfficialAccount || a.Kind == wechattest.TestAccount,
		Lines:     chatLines(c.server.Chat(person, appID)), Note: noteKey(r.FormValue("note")),
		Codes: c.sceneCodes(appID), OwnCode: c.server.AccountQR(appID), People: c.personCards(), Accounts: accounts,
		Delivery: c.server.LastDelivery(person, appID),
		Text:     fillParam(r, "text"), Scan: fillParam(r, "scan"),
	}
	if a.Push.URL == "" {
		data.Note = "chat-note-no_push"
	}
	c.render(w, r, http.StatusOK, "chat", c.texts(r).MustText("chat-of", "person", data.Nickname, "account",
		data.Account),
		data)
}

// fillParam returns the parameter with which a link fills in a field; "" if it is too long.
func fillParam(r *http.Request, name string) string {
	if value := r.FormValue(name); len(value) <= maxLink {
		return value
	}
	return ""
}

func accountName(a *wechattest.App) string {
	if a.Name == "" {
		return a.AppID
	}
	return a.Name
}

// maxSceneCodes is the number of QR codes with a scene that a page shows.
const maxSceneCodes = 10

// sceneCodes returns the newest QR codes with a scene of an account, or of all accounts if appID is
// "".
func (c *control) sceneCodes(appID string) []wechattest.SceneCode {
	all := slices.DeleteFunc(c.server.SceneCodes(), func(s wechattest.SceneCode) bool {
		return appID != "" && s.AppID != appID
	})
	return all[:min(len(all), maxSceneCodes)]
}

// noteKey returns the key of the text for an error of a chat; "" for an unknown name. The name is
// in the address of the page, which another website may have made.
func noteKey(name string) string {
	switch name {
	case "not_following", "no_push", "no_menu", "no_web_sign_in", "no_qr_code", "invalid":
		return "chat-note-" + name
	}
	return ""
}

// actInChat handles the forms of a chat and redirects to its page, which shows the result.
func (c *control) actInChat(w http.ResponseWriter, r *http.Request) {
	person, appID := r.PathValue("person"), r.PathValue("appid")
	if c.checkChat(person, appID) != nil {
		c.errorPage(w, r, http.StatusNotFound, "error-missing")
		return
	}
	a := chatAction{Do: r.FormValue("do"), Text: r.FormValue("text"), Target: r.FormValue("at"),
		Label: r.FormValue("label")}
	if a.check() != nil {
		c.redirect(w, r, chatPath(person, appID, "invalid"))
		return
	}
	if owner := c.server.QRAccount(strings.TrimSpace(a.Target)); a.Do == "scan" && owner != "" {
		appID = owner // WeChat opens the chat with the account of the QR code
	}
	_, err := c.act(r.Context(), person, appID, a)
	c.changed()
	_, note := chatError(err)
	if err != nil && note == "" {
		note = "invalid"
	}
	c.redirect(w, r, chatPath(person, appID, note))
}

// scanAccount scans a QR code of an account, and redirects to the chat that WeChat opens.
func (c *control) scanAccount(w http.ResponseWriter, r *http.Request, person, link string) {
	appID := c.server.QRAccount(link)
	if appID == "" {
		c.redirect(w, r, "/phones/"+person+"?note=no_qr_code")
		return
	}
	_, err := c.server.ScanQR(r.Context(), person, link)
	c.changed()
	_, note := chatError(err)
	c.redirect(w, r, chatPath(person, appID, note))
}
