package relay

import (
	"io"
	"net/http"
	"regexp"
	"slices"

	"github.com/weigate/weigate/internal/route"
)

// verifyName matches the name of the file that proves to WeChat that a domain belongs to the owner
// of an official account. Its content is the middle of its name (field reports; samples have 16
// characters).
var verifyName = regexp.MustCompile(`^MP_verify_([A-Za-z0-9]{1,64})\.txt$`)

// mountVerify registers the files at the root, where WeChat looks for them, and below the path of
// the gateway, which may be the only path of the host that leads here.
func (h *Handler) mountVerify(mux *route.Mux) {
	paths := []string{""}
	if h.path != "" {
		paths = append(paths, h.path)
	}
	names := slices.Clone(h.cfg.VerifyFiles)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		text := verifyName.FindStringSubmatch(name)[1]
		for _, path := range paths {
			mux.HandleFunc("GET "+path+"/"+name, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				w.Header().Set("Cache-Control", "no-store")
				_, _ = io.WriteString(w, text) // fails when the client has disconnected
			})
		}
	}
}
