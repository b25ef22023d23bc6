package app

import (
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/web"
)

// This file passes the administrator's texts and pictures to package web.

// siteTexts returns the texts for pages in every language. The registration numbers for sites in China
// (ICP and police filing) are among them, because these numbers have no translation.
func siteTexts(s config.Site) web.SiteTexts {
	t := convertTexts(s.SiteTexts)
	t.ICP, t.ICPHosts = s.ICP, s.ICPHosts
	t.Police, t.PoliceURL = s.Police, s.PoliceURL()
	return t
}

// siteTextsIn returns for each language the texts that replace those of siteTexts in this language.
// An empty text replaces nothing.
func siteTextsIn(s config.Site) map[string]web.SiteTexts {
	return map[string]web.SiteTexts{lang.English: convertTexts(s.InEnglish), lang.Chinese: convertTexts(s.InChinese)}
}

func convertTexts(t config.SiteTexts) web.SiteTexts {
	return web.SiteTexts{Title: t.Title, Welcome: t.Welcome, Footer: t.Footer, Contact: t.Contact,
		PrivacyURL: t.PrivacyURL, TermsURL: t.TermsURL}
}

// agreementOf returns what users agree to: the documents of all languages, in the configured
// version. Package signin asks again when the version or an address changes.
func agreementOf(s config.Site) gateway.Agreement {
	if !s.Agreement {
		return gateway.Agreement{}
	}
	var all []string
	for _, t := range []config.SiteTexts{s.SiteTexts, s.InEnglish, s.InChinese} {
		for _, address := range []string{t.PrivacyURL, t.TermsURL} {
			if address != "" {
				all = append(all, address)
			}
		}
	}
	return gateway.NewAgreement(s.AgreementVersion, all)
}

// mountFiles registers the logo, the icons and the manifest of the site. path is the path of the
// gateway's URL. route.LimitedOther is the rate limit of files that are the same for everybody.
func mountFiles(mux *route.Mux, site *web.Site, path string) {
	for _, file := range web.FilePaths() {
		mux.HandleFunc("GET "+path+file, site.ServeFile, route.LimitedOther)
	}
	// Browsers request this file at the root of the host, also if the gateway is below a path.
	if path != "" {
		mux.HandleFunc("GET /favicon.ico", site.ServeFile, route.LimitedOther)
	}
}
