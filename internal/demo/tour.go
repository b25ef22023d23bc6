package demo

import (
	"net/http"
	"net/url"
)

// The hosts of the demo's other sites. Names under .localhost lead to this machine by themselves in Chrome, Edge and Firefox.
const (
	wikiHost = "wiki.localhost"
	shopHost = "shop.localhost"
)

// WikiURL is the address of the wiki when the apps are at site, which is Config.URL: another host name at the same port.
func WikiURL(site string) string { return underName(site, wikiHost) }

// ShopURL is the address of the shop when the apps are at site.
func ShopURL(site string) string { return underName(site, shopHost) }

// Host is the host of an address, with its port: what the gateway's configuration names as the host of an app.
func Host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

func underName(site, name string) string {
	u, err := url.Parse(site)
	if err != nil {
		return ""
	}
	if port := u.Port(); port != "" {
		name += ":" + port
	}
	return u.Scheme + "://" + name
}

// card is one part of the tour.
type card struct {
	ID           string // of its button
	Title, Note  string
	Steps        string // a line each
	Button, Open string // what to press, and where it leads
	More, MoreAt string // a second button
}

// tour is the first screen.
func (a *app) tour(w http.ResponseWriter, r *http.Request) {
	g, t := a.conf.Gateway, wordsFor(r)
	if g == nil {
		http.Redirect(w, r, samplePath, http.StatusFound)
		return
	}
	a.show(w, r, http.StatusOK, "tour", page{Heading: t.Welcome, Wide: true, Cards: []card{
		{ID: NotesID, Title: t.CardOIDC, Note: t.CardOIDCNote, Steps: t.CardOIDCSteps, Button: t.OpenNotes, Open: "/notes/", More: t.OpenPhotos, MoreAt: "/photos/sign-in"},
		{ID: "wiki", Title: t.CardWiki, Note: t.CardWikiNote, Steps: t.CardWikiSteps, Button: t.OpenWiki, Open: WikiURL(a.conf.URL) + "/"},
		{ID: "shop", Title: t.CardShop, Note: t.CardShopNote, Steps: t.CardShopSteps, Button: t.OpenShop, Open: ShopURL(a.conf.URL) + "/"},
		{ID: BoardID, Title: t.CardScan, Note: t.CardScanNote, Steps: t.CardScanSteps, Button: t.OpenBoard, Open: "/board/"},
	}})
}
