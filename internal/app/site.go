package app

import (
	"strings"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/web"
)

// This file passes the administrator's texts and pictures to package web.

// names returns the texts that pages have in all languages.
func names(s config.Site) web.Names {
	n := namesOf(s.SiteTexts)
	n.ICP, n.ICPHosts = s.ICP, s.ICPHosts
	n.Police, n.PoliceURL = s.Police, s.PoliceURL()
	return n
}

// namesIn returns the texts of one language each.
func namesIn(s config.Site) map[string]web.Names {
	return map[string]web.Names{lang.English: namesOf(s.InEnglish), lang.Chinese: namesOf(s.InChinese)}
}

func namesOf(t config.SiteTexts) web.Names {
	return web.Names{Title: t.Title, Welcome: t.Welcome, Footer: t.Footer, Contact: t.Contact, PrivacyURL: t.PrivacyURL,
		TermsURL: t.TermsURL}
}

// agreementOf returns the addresses of the documents that users agree to. Package signin asks again
// when they change.
func agreementOf(s config.Site) string {
	var all []string
	for _, t := range []config.SiteTexts{s.SiteTexts, s.InEnglish, s.InChinese} {
		for _, address := range []string{t.PrivacyURL, t.TermsURL} {
			if address != "" {
				all = append(all, address)
			}
		}
	}
	return strings.Join(all, " ")
}

// mountFiles registers the logo, the icons and the manifest of the site. path is the path of the
// gateway's URL.
func mountFiles(mux *route.Mux, site *web.Site, path string) {
	for _, file := range web.FilePaths() {
		mux.HandleFunc("GET "+path+file, site.ServeFile, route.LimitedOther)
	}
	// Browsers request this file at the root of the host, also if the gateway is below a path.
	if path != "" {
		mux.HandleFunc("GET /favicon.ico", site.ServeFile, route.LimitedOther)
	}
}
