package qr_test

import (
	"testing"

	"github.com/weigate/weigate/internal/qr"
)

// BenchmarkPicture compares a picture of a QR code with computing the QR code itself, which the
// picture includes.
func BenchmarkPicture(b *testing.B) {
	const link = "https://login.example.com/scan/abcdefghijklmnopqrstuvwxyz"
	b.Run("code", func(b *testing.B) {
		for b.Loop() {
			if _, err := qr.Encode(link); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("png", func(b *testing.B) {
		pictures := qr.NewPictures()
		for b.Loop() {
			if _, err := pictures.PNG(link); err != nil {
				b.Fatal(err)
			}
		}
	})
}
