package scan_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	go_qr "github.com/piglig/go-qr"
)

// TestPicturesOfTheCodeAreCheap compares the picture of a QR code with the time to compute the QR
// code itself, which any machine needs. The drawing of the library needed several times as much.
func TestPicturesOfTheCodeAreCheap(t *testing.T) {
	w := newFixture(t)
	desktop := w.desktop()
	link := desktop.link()
	least := func(f func()) time.Duration {
		best := time.Hour
		for range 20 {
			start := time.Now()
			f()
			best = min(best, time.Since(start))
		}
		return best
	}
	compute := least(func() { _, _ = go_qr.EncodeText(link, go_qr.Medium) })
	for _, name := range []string{"code.png", "code.svg"} {
		address := strings.Replace(desktop.at, "/scan?", "/scan/"+name+"?", 1)
		picture := least(func() { desktop.send(http.MethodGet, address, nil) })
		t.Logf("%s: %v, of which the QR code itself %v", name, picture, compute)
		if picture > 3*compute+2*time.Millisecond {
			t.Errorf("%s takes %v, the QR code itself %v", name, picture, compute)
		}
	}
}
