package cli

import (
	"fmt"

	go_qr "github.com/piglig/go-qr"
)

// qrSVG returns a QR code as SVG. The simulator has no dependency for it, so the command passes it
// in. The text must be ASCII, because readers disagree about the charset of other bytes.
func qrSVG(text string) ([]byte, error) {
	code, err := go_qr.EncodeText(text, go_qr.Medium)
	if err != nil {
		return nil, fmt.Errorf("QR code: %w", err)
	}
	// Six pixels a module, and a quiet zone of four modules (ISO/IEC 18004).
	svg, err := code.ToSVGBytes(go_qr.NewQrCodeImgConfig(6, 4, go_qr.WithOptimalSVG()))
	if err != nil {
		return nil, fmt.Errorf("QR code: %w", err)
	}
	return svg, nil
}
