package scan

import (
	"fmt"
	"net/http"
	"strings"

	go_qr "github.com/piglig/go-qr"

	"github.com/weigate/weigate/internal/web"
)

// quiet is the width of the white margin that QR code readers need, in modules.
const quiet = 4

func encode(link string) (*go_qr.QrCode, error) {
	code, err := go_qr.EncodeText(link, go_qr.Medium)
	if err != nil {
		return nil, fmt.Errorf("scan: draw the code: %w", err)
	}
	return code, nil
}

// draw returns the code as the path of an SVG, one stroke for each run of dark modules: about 5 kB.
func draw(link string) (*web.Code, error) {
	code, err := encode(link)
	if err != nil {
		return nil, err
	}
	var path strings.Builder
	for y := range code.Size() {
		for x := 0; x < code.Size(); x++ {
			run := x
			for run < code.Size() && code.Module(run, y) {
				run++
			}
			if run > x {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run-x, run-x)
				x = run
			}
		}
	}
	return &web.Code{Size: code.Size() + 2*quiet, Path: path.String(), Link: link}, nil
}

// codePNG serves this browser's code as an image, which users save with a long press and scan from
// their album.
func (h *Handler) codePNG(w http.ResponseWriter, r *http.Request) {
	h.image(w, r, "image/png", func(code *go_qr.QrCode) ([]byte, error) {
		return code.ToPNGBytes(go_qr.NewQrCodeImgConfig(10, quiet))
	})
}

// codeSVG serves the code as an SVG image, for printing or a large screen.
func (h *Handler) codeSVG(w http.ResponseWriter, r *http.Request) {
	h.image(w, r, "image/svg+xml", func(code *go_qr.QrCode) ([]byte, error) {
		return code.ToSVGBytes(go_qr.NewQrCodeImgConfig(10, quiet, go_qr.WithOptimalSVG()))
	})
}

// image serves an image of a code. It creates no ticket: there is an image only of a code that a
// page has shown.
func (h *Handler) image(w http.ResponseWriter, r *http.Request, kind string,
	encoded func(*go_qr.QrCode) ([]byte, error)) {
	s := h.readFlow(r)
	if s == nil || s.Made == 0 || s.Done {
		http.NotFound(w, r)
		return
	}
	link, err := h.link(s)
	var code *go_qr.QrCode
	var body []byte
	if err == nil {
		code, err = encode(link)
	}
	if err == nil {
		body, err = encoded(code)
	}
	if err != nil {
		h.fail(w, r, fmt.Errorf("scan: draw the code: %w", err))
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body) // fails when the browser has disconnected
}
