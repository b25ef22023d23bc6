package scan

import (
	"testing"

	"github.com/weigate/weigate/internal/qr"
)

// BenchmarkPicture compares the pictures of a QR code with computing the QR code itself, which every
// picture needs.
func BenchmarkPicture(b *testing.B) {
	const link = "https://login.example.com/scan/abcdefghijklmnopqrstuvwxyz"
	code, err := qr.Encode(link)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("code", func(b *testing.B) {
		for b.Loop() {
			if _, err := qr.Encode(link); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("png", func(b *testing.B) {
		encoder := newPictures()
		for b.Loop() {
			if _, err := drawPNG(encoder, code); err != nil {
				b.Fatal(err)
			}
		}
	})
}
