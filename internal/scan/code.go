package scan

import (
	"fmt"
	"net/http"

	"github.com/weigate/weigate/internal/qr"
)

// This file serves the QR codes as images.

// codePNG serves this browser's QR code as an image. On a phone, users save it with a long press
// and scan it from their album in WeChat.
func (h *Handler) codePNG(w http.ResponseWriter, r *http.Request) {
	h.serveImage(w, r, "image/png", h.pictures.PNG)
}

// codeSVG serves the QR code as an SVG image, for printing or a large screen.
func (h *Handler) codeSVG(w http.ResponseWriter, r *http.Request) {
	h.serveImage(w, r, "image/svg+xml", qr.SVG)
}

// serveImage serves the QR code of this browser's sign-in as an image. draw returns the image for
// the link in the QR code. serveImage does not create a ticket (the row in the store for one QR
// code). Before a page has created the ticket, and after the sign-in, the response is 404.
func (h *Handler) serveImage(w http.ResponseWriter, r *http.Request, kind string,
	draw func(link string) ([]byte, error)) {
	f := h.readFlow(r)
	if f == nil || f.CreatedAt == 0 || f.Redeemed { // CreatedAt 0: no ticket is stored yet
		http.NotFound(w, r)
		return
	}
	link, err := h.codeLink(f)
	var body []byte
	if err == nil {
		body, err = draw(link)
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
