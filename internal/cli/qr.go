package cli

import (
	"fmt"

	go_qr "github.com/piglig/go-qr"
)

// qrSVG draws text as a QR code. The simulator takes no dependency for it, so the command
// brings it. Keep text ASCII: readers disagree about the charset of other bytes.
func qrSVG(text string) ([]byte, error) {
	code, err := go_qr.EncodeText(text, go_qr.Medium)
	if err != nil {
		return nil, fmt.Errorf("draw a QR code: %w", err)
	}
	// Six pixels a module and the four modules of quiet zone that readers want.
	svg, err := code.ToSVGBytes(go_qr.NewQrCodeImgConfig(6, 4, go_qr.WithOptimalSVG()))
	if err != nil {
		return nil, fmt.Errorf("draw a QR code: %w", err)
	}
	return svg, nil
}
