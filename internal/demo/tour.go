package demo

import (
	"net/http"
	"net/url"
)

// The hosts of the wiki and the shop. Chrome, Edge and Firefox resolve names under .localhost to
// this machine.
const (
	wikiHost = "wiki.localhost"
	shopHost = "shop.localhost"
)

// WikiURL returns the URL of the wiki for the apps' URL: the same port on another host.
func WikiURL(appsURL string) string { return withHost(appsURL, wikiHost) }

// ShopURL returns the URL of the shop for the apps' URL.
func ShopURL(appsURL string) string { return withHost(appsURL, shopHost) }

// Host returns the host of a URL with its port, as the gateway's configuration lists it.
func Host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

func withHost(address, host string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	return u.Scheme + "://" + host
}

// card is one app of the tour. Its texts have the keys tour.APP, tour.APP.note, tour.APP.steps and
// APP.open.
type card struct {
	App    string
	URL    string
	Second string // client ID of another app to sign in to, "" = none
}

// tour serves the home page. Without a gateway the app on package login is the only one.
func (a *app) tour(w http.ResponseWriter, r *http.Request) {
	if a.conf.Gateway == nil {
		http.Redirect(w, r, samplePath, http.StatusFound)
		return
	}
	a.show(w, r, http.StatusOK, "tour", page{Heading: "tour", Wide: true, Cards: []card{
		{App: NotesID, URL: "/notes/", Second: PhotosID},
		{App: "wiki", URL: WikiURL(a.conf.URL) + "/"},
		{App: "shop", URL: ShopURL(a.conf.URL) + "/"},
		{App: BoardID, URL: "/board/"},
	}})
}
