package scan

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"sync"

	go_qr "github.com/piglig/go-qr"

	"github.com/weigate/weigate/internal/qr"
	"github.com/weigate/weigate/internal/web"
)

// This file draws the QR codes. Anybody can request a QR code, so drawing must be cheap. A page has
// an SVG path. A PNG image has one bit for each pixel.

// imageScale is the size of a module in the PNG image, in pixels.
const imageScale = 10

// encoderBuffers keeps the large buffers of PNG encoders, for use with the next image.
type encoderBuffers struct{ pool sync.Pool }

// Get implements png.EncoderBufferPool.
func (b *encoderBuffers) Get() *png.EncoderBuffer {
	buffer, _ := b.pool.Get().(*png.EncoderBuffer)
	return buffer // nil makes the encoder allocate one
}

// Put implements png.EncoderBufferPool.
func (b *encoderBuffers) Put(buffer *png.EncoderBuffer) { b.pool.Put(buffer) }

func newPictures() *png.Encoder {
	return &png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &encoderBuffers{}}
}

// drawPNG returns a QR code as a PNG image. Each row of modules has imageScale equal rows of
// pixels. drawPNG draws the first row of pixels, and copies it into the next rows.
func drawPNG(encoder *png.Encoder, code *go_qr.QrCode) ([]byte, error) {
	size := (code.Size() + 2*qr.Quiet) * imageScale
	picture := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{color.White, color.Black})
	for y := range code.Size() {
		first := picture.Pix[(y+qr.Quiet)*imageScale*picture.Stride:][:picture.Stride]
		for x := range code.Size() {
			if !code.Module(x, y) {
				continue
			}
			for i := range imageScale {
				first[(x+qr.Quiet)*imageScale+i] = 1 // the index of black
			}
		}
		for i := 1; i < imageScale; i++ {
			copy(picture.Pix[((y+qr.Quiet)*imageScale+i)*picture.Stride:], first)
		}
	}
	var out bytes.Buffer
	err := encoder.Encode(&out, picture)
	return out.Bytes(), err
}

// drawSVG returns a QR code as an SVG image.
func drawSVG(code *web.Code) []byte {
	const format = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[1]d" shape-rendering="crispEdges">` +
		`<path fill="#fff" d="M0 0h%[1]dv%[1]dH0z"/><path d="%[2]s"/></svg>`
	return fmt.Appendf(nil, format, code.Size, code.Path)
}

// codePNG serves this browser's QR code as an image. On a phone, users save it with a long press
// and scan it from their album in WeChat.
func (h *Handler) codePNG(w http.ResponseWriter, r *http.Request) {
	h.serveImage(w, r, "image/png", func(link string) ([]byte, error) {
		code, err := qr.Encode(link)
		if err != nil {
			return nil, err
		}
		return drawPNG(h.pictures, code)
	})
}

// codeSVG serves the QR code as an SVG image, for printing or a large screen.
func (h *Handler) codeSVG(w http.ResponseWriter, r *http.Request) {
	h.serveImage(w, r, "image/svg+xml", func(link string) ([]byte, error) {
		code, err := qr.Draw(link)
		if err != nil {
			return nil, err
		}
		return drawSVG(code), nil
	})
}

// serveImage serves the QR code of this browser's sign-in as an image. draw returns the image for
// the link in the QR code. serveImage does not create a ticket (the row in the store for one QR
// code). Before a page has created the ticket, and after the sign-in, the response is 404.
func (h *Handler) serveImage(w http.ResponseWriter, r *http.Request, kind string,
	draw func(link string) ([]byte, error)) {
	f := h.readFlow(r)
	if f == nil || f.CreatedAt == 0 || f.Redeemed {
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
