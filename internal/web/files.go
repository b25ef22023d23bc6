package web

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/weigate/weigate/internal/brand"
	"github.com/weigate/weigate/internal/lang"
)

// This file serves the logo, the icons and the web app manifest.

// file is a file that every page may load.
type file struct {
	mediaType string
	version   string // part of the hash of the content
	content   func() ([]byte, error)
}

// Paths of files, below the address of the gateway. Browsers request pathFavicon and pathTouchIcon
// also without a link to them.
const (
	pathFavicon   = "/favicon.ico"
	pathTouchIcon = "/apple-touch-icon.png"
	pathManifest  = "/site/manifest.webmanifest"
	pathIcon192   = "/site/icon-192.png"
	pathIcon512   = "/site/icon-512.png"
	pathLogo      = "/site/logo"
	pathLogoDark  = "/site/logo-dark"
	pathPolice    = "/site/police" // picture of the police filing (公安备案)
)

// FilePaths returns the paths of the site's files. [Site.ServeFile] serves them.
func FilePaths() []string {
	return []string{pathFavicon, pathTouchIcon, pathManifest, pathIcon192, pathIcon512, pathLogo, pathLogoDark,
		pathPolice}
}

// makeFiles makes the files from the administrator's pictures. An icon is drawn when a browser
// first requests it.
func (s *Site) makeFiles(defaultIcon []byte) {
	s.files = map[string]file{}
	icon := s.cfg.Look.Icon
	if icon.Type == "" {
		icon = brand.Picture{Type: "image/png", Content: string(defaultIcon)}
	}
	for path, size := range map[string]int{pathFavicon: 48, pathTouchIcon: 180, pathIcon192: 192, pathIcon512: 512} {
		draw := sync.OnceValues(func() ([]byte, error) { return icon.Icon(size) })
		s.files[path] = file{mediaType: "image/png", version: version(icon), content: draw}
	}
	for path, logo := range map[string]brand.Picture{
		pathLogo: s.cfg.Look.Logo, pathLogoDark: s.cfg.Look.LogoDark, pathPolice: s.cfg.Look.Police,
	} {
		if logo.Type != "" {
			content := func() ([]byte, error) { return []byte(logo.Content), nil }
			s.files[path] = file{mediaType: logo.Type, version: version(logo), content: content}
		}
	}
}

// version returns a part of the hash of a picture.
func version(p brand.Picture) string {
	sum := sha256.Sum256([]byte(p.Content))
	return hex.EncodeToString(sum[:6])
}

// address returns the address of a file, with the version of its content, or "" if there is none.
func (s *Site) address(path string) string {
	f, found := s.files[path]
	if !found {
		return ""
	}
	return s.base() + path + "?v=" + f.version
}

// base returns the address of the gateway, without a slash at its end.
func (s *Site) base() string { return strings.TrimSuffix(s.cfg.Home, "/") }

// ServeFile serves a file of the site. The path of the request is one of [FilePaths], below the
// address of the gateway.
func (s *Site) ServeFile(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if u, err := url.Parse(s.cfg.Home); err == nil {
		path = strings.TrimPrefix(path, strings.TrimSuffix(u.Path, "/"))
	}
	if path == pathManifest {
		s.serveManifest(w, r)
		return
	}
	f, found := s.files[path]
	if !found {
		s.Fail(w, r, NotFound)
		return
	}
	content, err := f.content()
	if err != nil {
		s.Error(w, r, err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", f.mediaType)
	header.Set("X-Content-Type-Options", "nosniff")
	// An SVG file may have scripts and load other files. As a picture in a page, the file does
	// neither. This policy applies when a browser opens the address of the file itself.
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	header.Set("Cross-Origin-Resource-Policy", "cross-origin") // pages on hosts of apps show the logo
	header.Set("Cache-Control", "public, max-age=3600")
	if r.URL.Query().Get("v") == f.version {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(content) // fails when the browser has disconnected
}

// serveManifest serves the web app manifest, with which browsers add the gateway to a home screen.
func (s *Site) serveManifest(w http.ResponseWriter, r *http.Request) {
	type icon struct {
		Source  string `json:"src"`
		Sizes   string `json:"sizes"`
		Type    string `json:"type"`
		Purpose string `json:"purpose"`
	}
	language := lang.FromRequest(r)
	title := s.Title(language)
	header := w.Header()
	header.Set("Content-Type", "application/manifest+json")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "public, max-age=3600")
	header.Add("Vary", "Accept-Language")
	// Fails when the browser has disconnected.
	_ = json.NewEncoder(w).Encode(struct {
		Name       string `json:"name"`
		ShortName  string `json:"short_name"`
		Lang       string `json:"lang"`
		StartURL   string `json:"start_url"`
		Scope      string `json:"scope"`
		Display    string `json:"display"`
		Background string `json:"background_color"`
		Theme      string `json:"theme_color"`
		Icons      []icon `json:"icons"`
	}{
		// Home screens show about 12 characters.
		Name: title, ShortName: Shown(title, 12), Lang: language, StartURL: s.base() + "/", Scope: s.base() + "/",
		// The buttons of the browser remain: a user may have to go back from a page of WeChat.
		Display: "minimal-ui", Background: "#f4f6f5", Theme: "#f4f6f5",
		Icons: []icon{
			{Source: s.address(pathIcon192), Sizes: "192x192", Type: "image/png", Purpose: "any"},
			{Source: s.address(pathIcon512), Sizes: "512x512", Type: "image/png", Purpose: "any"},
		},
	})
}
