// Package qr draws QR codes for pages.
package qr

import (
	"fmt"
	"strings"

	go_qr "github.com/piglig/go-qr"

	"github.com/weigate/weigate/internal/web"
)

// Quiet is the width of the quiet zone: the white margin that QR code readers need. The unit is a
// module: one square of the QR code.
const Quiet = 4

// Encode returns the QR code of a link.
func Encode(link string) (*go_qr.QrCode, error) {
	code, err := go_qr.EncodeText(link, go_qr.Medium)
	if err != nil {
		return nil, fmt.Errorf("qr: %w", err) // without the link, which may contain a secret
	}
	return code, nil
}

// Draw returns the QR code of a link as the path of an SVG image. Size, the width and height of the
// image in modules, includes the quiet zone. Adjacent dark modules of a row become one rectangle.
// This keeps the path short: about 5 kB.
func Draw(link string) (*web.Code, error) {
	code, err := Encode(link)
	if err != nil {
		return nil, err
	}
	var path strings.Builder
	for y := range code.Size() {
		for x := 0; x < code.Size(); x++ {
			end := x // end of the run of dark modules that begins at x
			for end < code.Size() && code.Module(end, y) {
				end++
			}
			if end > x {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+Quiet, y+Quiet, end-x, end-x)
				x = end
			}
		}
	}
	return &web.Code{Size: code.Size() + 2*Quiet, Path: path.String(), Link: link}, nil
}
