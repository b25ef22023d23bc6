// Package brand reads the administrator's color and pictures for the pages.
//
// [ParseColor] and [NewPalette] compute the colors of buttons and links from one color, and check
// that text stays readable. [ReadPicture] and [ReadIcon] read the files of the logo and the icon.
package brand

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"

	"github.com/weigate/weigate/internal/lang" // its errors can be shown in Chinese
)

// Color is a color in sRGB.
type Color struct{ Red, Green, Blue uint8 }

var validColor = regexp.MustCompile(`^#[0-9A-Fa-f]{6}$`)

// ParseColor parses a color such as #067a41.
func ParseColor(text string) (Color, error) {
	if !validColor.MatchString(text) {
		return Color{}, errors.New("must be a color with six hexadecimal digits, such as #067a41")
	}
	n, err := strconv.ParseUint(text[1:], 16, 32)
	return Color{Red: uint8(n >> 16), Green: uint8(n >> 8), Blue: uint8(n)}, err
}

// String returns the color as in CSS, such as #067a41.
func (c Color) String() string { return fmt.Sprintf("#%02x%02x%02x", c.Red, c.Green, c.Blue) }

// Contrast returns the contrast ratio of two colors, from 1 to 21 (WCAG 2.2, "contrast ratio").
func Contrast(a, b Color) float64 {
	light, dark := luminance(a), luminance(b)
	return (max(light, dark) + 0.05) / (min(light, dark) + 0.05)
}

// luminance returns the relative luminance of a color (WCAG 2.2, "relative luminance").
func luminance(c Color) float64 {
	linear := func(channel uint8) float64 {
		v := float64(channel) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.Red) + 0.7152*linear(c.Green) + 0.0722*linear(c.Blue)
}

// mix returns a color between a, for share 0, and b, for share 1.
func mix(a, b Color, share float64) Color {
	channel := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + (float64(b)-float64(a))*share)) }
	return Color{Red: channel(a.Red, b.Red), Green: channel(a.Green, b.Green), Blue: channel(a.Blue, b.Blue)}
}

// Palette has the colors of pages that depend on the administrator's color.
type Palette struct {
	Main Color // buttons and links
	Text Color // on buttons
	Tint Color // a pale background, such as the background of the current entry of the navigation
}

var (
	white = Color{Red: 255, Green: 255, Blue: 255}
	black = Color{}
	// backgrounds of light and dark pages: --bg and --card of the style sheet
	lightPage = Color{Red: 0xf4, Green: 0xf6, Blue: 0xf5}
	darkCard  = Color{Red: 0x1b, Green: 0x21, Blue: 0x1e}
)

// minContrast is the least contrast of text with its background (WCAG 2.2, 1.4.3, level AA).
const minContrast = 4.5

// NewPalette returns the colors of light and of dark pages. It returns an error if the contrast of
// the color with a background of light pages is too low. For dark pages, NewPalette makes the color
// lighter if necessary.
func NewPalette(c Color) (light, dark Palette, err error) {
	if light = lightPalette(c); !readable(light) {
		darker := c
		for share := 0.05; share < 1 && !readable(lightPalette(darker)); share += 0.05 {
			darker = mix(c, black, share)
		}
		contrast := math.Floor(leastContrast(light)*10) / 10 // 4.46 must not become 4.5
		return Palette{}, Palette{}, lang.Errorf("the contrast of %s with a light page is %.1f, and text needs %.1f: "+
			"use a darker color such as %s", c, contrast, minContrast, darker)
	}
	dark = darkPalette(c)
	for share := 0.05; share < 1 && !readable(dark); share += 0.05 {
		dark = darkPalette(mix(c, white, share))
	}
	return light, dark, nil
}

func lightPalette(c Color) Palette {
	return Palette{Main: c, Text: white, Tint: mix(lightPage, c, 0.06)}
}

func darkPalette(c Color) Palette {
	text := white
	if Contrast(c, black) > Contrast(c, white) {
		text = Color{Red: 8, Green: 20, Blue: 15} // nearly black
	}
	return Palette{Main: c, Text: text, Tint: mix(darkCard, c, 0.15)}
}

// readable reports whether the text on buttons is readable, and whether links are readable on the
// page and on Tint.
func readable(p Palette) bool { return leastContrast(p) >= minContrast }

// leastContrast returns the smallest contrast of Main with Text, the page and Tint.
func leastContrast(p Palette) float64 {
	page := lightPage
	if luminance(p.Tint) < 0.18 { // p is the palette of dark pages
		page = darkCard
	}
	return min(Contrast(p.Main, p.Text), Contrast(p.Main, page), Contrast(p.Main, p.Tint))
}
