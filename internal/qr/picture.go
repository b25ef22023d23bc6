package qr

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"sync"
)

// This file draws QR codes as images. Anybody can request a QR code, so drawing must be cheap. The
// PNG images have two colors, which take one bit for each pixel.

// imageScale is the width and height of a module (one square of the QR code) in pixels.
const imageScale = 10

// encoderBuffers keeps the large buffers of the PNG encoder for the next images.
type encoderBuffers struct{ pool sync.Pool }

// Get implements png.EncoderBufferPool.
func (b *encoderBuffers) Get() *png.EncoderBuffer {
	buffer, _ := b.pool.Get().(*png.EncoderBuffer)
	return buffer // nil makes the encoder allocate one
}

// Put implements png.EncoderBufferPool.
func (b *encoderBuffers) Put(buffer *png.EncoderBuffer) { b.pool.Put(buffer) }

// Pictures draws QR codes as PNG images. Make it with [NewPictures]; it is safe for concurrent use.
type Pictures struct{ encoder *png.Encoder }

// NewPictures returns Pictures.
func NewPictures() *Pictures {
	return &Pictures{&png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &encoderBuffers{}}}
}

// PNG returns the QR code of a link as a PNG image. A row of modules becomes imageScale equal rows
// of pixels. The method draws the first of them, and copies it into the others.
func (p *Pictures) PNG(link string) ([]byte, error) {
	code, err := Encode(link)
	if err != nil {
		return nil, err
	}
	// code.Size is the width of the code without the white margin, Quiet the width of the margin on
	// each side, both in modules.
	size := (code.Size() + 2*Quiet) * imageScale
	picture := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{color.White, color.Black})
	for y := range code.Size() {
		first := picture.Pix[(y+Quiet)*imageScale*picture.Stride:][:picture.Stride]
		for x := range code.Size() {
			if !code.Module(x, y) {
				continue
			}
			for i := range imageScale {
				first[(x+Quiet)*imageScale+i] = 1 // the index of black
			}
		}
		for i := 1; i < imageScale; i++ {
			copy(picture.Pix[((y+Quiet)*imageScale+i)*picture.Stride:], first)
		}
	}
	var out bytes.Buffer
	err = p.encoder.Encode(&out, picture)
	return out.Bytes(), err
}

// SVG returns the QR code of a link as an SVG image.
func SVG(link string) ([]byte, error) {
	code, err := Draw(link)
	if err != nil {
		return nil, err
	}
	const format = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[1]d" shape-rendering="crispEdges">` +
		`<path fill="#fff" d="M0 0h%[1]dv%[1]dH0z"/><path d="%[2]s"/></svg>`
	return fmt.Appendf(nil, format, code.Size, code.Path), nil // the Size of Draw includes the margin
}
