package brand_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/brand"
)

func TestContrastAsInWCAG(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		a, b string
		want float64
	}{
		{"#000000", "#ffffff", 21}, {"#ffffff", "#ffffff", 1}, {"#777777", "#ffffff", 4.48}, {"#ff0000", "#ffffff", 4.00},
	} {
		a, err := brand.ParseColor(k.a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := brand.ParseColor(k.b)
		if err != nil {
			t.Fatal(err)
		}
		if got := brand.Contrast(a, b); math.Abs(got-k.want) > 0.01 {
			t.Errorf("contrast of %s and %s: %.2f, want %.2f", k.a, k.b, got, k.want)
		}
	}
}

func TestColorNeedsContrast(t *testing.T) {
	t.Parallel()
	for _, k := range []struct{ color, problem string }{
		{"#067a41", ""}, {"#0b5cad", ""}, {"#000000", ""}, {"#7a0019", ""},
		{"#07c160", "use a darker color such as #"}, // WeChat's green
		{"#ffcc00", "the contrast of #ffcc00 with a light page is 1.3"},
		{"#767676", "the contrast of #767676 with a light page is 3.8"}, // 4.5 with white
		{"#727272", "the contrast of #727272 with a light page is 4.1"}, // 4.8 with white
		{"green", "six hexadecimal digits"}, {"#fff", "six hexadecimal digits"}, {"#07c160;x", "six hexadecimal digits"},
	} {
		c, err := brand.ParseColor(k.color)
		var light, dark brand.Palette
		if err == nil {
			light, dark, err = brand.NewPalette(c)
		}
		switch {
		case k.problem != "":
			if err == nil || !strings.Contains(err.Error(), k.problem) {
				t.Errorf("%s: %v, want %q", k.color, err, k.problem)
			}
		case err != nil:
			t.Errorf("%s: %v", k.color, err)
		default:
			for _, p := range []brand.Palette{light, dark} {
				if brand.Contrast(p.Main, p.Text) < 4.5 || brand.Contrast(p.Main, p.Tint) < 4.5 {
					t.Errorf("%s: %v is not readable", k.color, p)
				}
			}
		}
	}
}

// file writes a file and returns its name.
func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "picture")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// square returns a PNG file with one color.
func square(t *testing.T, width, height int) string {
	t.Helper()
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range picture.Pix {
		picture.Pix[i] = 200
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A file is a picture by its content. Its size is checked before it is decoded (kanidm 1.10: a short
// PNG file stopped the program).
func TestPicturesAreChecked(t *testing.T) {
	t.Parallel()
	const svg = `<?xml version="1.0"?><!-- logo --><svg xmlns="http://www.w3.org/2000/svg"/>`
	for _, k := range []struct{ name, content, mediaType, problem string }{
		{"svg", svg, "image/svg+xml", ""},
		{"png", square(t, 20, 10), "image/png", ""},
		{"webp", "RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp", ""},
		{"html", "<html><script>alert(1)</script></html>", "", "not a picture"},
		{"svg in html", "<html><svg/></html>", "", "not a picture"},
		{"entities", `<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg>&a;</svg>`, "", "not a picture"},
		{"cut svg", `<svg><g>`, "", "not a picture"},
		{"short png", "\x89PNG\r\n\x1a\n", "", "damaged"},
		{"jpeg", "\xff\xd8\xff", "", "damaged"},
		{"large png", square(t, 3000, 1), "", "at most 2048×2048 pixels, not 3000×1"},
		{"large file", svg + strings.Repeat(" ", 256<<10), "", "larger than 256 kB"},
		{"empty", "", "", "not a picture"},
	} {
		got, err := brand.ReadPicture(file(t, k.content))
		if got.Type != k.mediaType || k.problem == "" != (err == nil) ||
			err != nil && !strings.Contains(err.Error(), k.problem) {
			t.Errorf("%s: %q, %v, want %q, %q", k.name, got.Type, err, k.mediaType, k.problem)
		}
	}
	if _, err := brand.ReadPicture(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing file is accepted")
	}
}

func TestIconHasEverySize(t *testing.T) {
	t.Parallel()
	for _, k := range []struct{ content, problem string }{
		{square(t, 100, 100), "at least 192×192 pixels, not 100×100"}, {square(t, 300, 200), "square"},
		{"<svg/>", "PNG"}, {square(t, 200, 200)[:60], "damaged"},
	} {
		if _, err := brand.ReadIcon(file(t, k.content)); err == nil || !strings.Contains(err.Error(), k.problem) {
			t.Errorf("%v, want %q", err, k.problem)
		}
	}
	icon, err := brand.ReadIcon(file(t, square(t, 200, 200)))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{32, 180, 512} {
		content, err := icon.Icon(size)
		if err != nil {
			t.Fatal(err)
		}
		got, err := png.Decode(bytes.NewReader(content))
		if err != nil || got.Bounds() != image.Rect(0, 0, size, size) {
			t.Fatalf("size %d: %v, %v", size, got.Bounds(), err)
		}
		pixel := color.NRGBAModel.Convert(got.At(size/2, size/2)).(color.NRGBA)
		if pixel.R < 198 || pixel.R > 202 || pixel.A != 200 {
			t.Errorf("color in the middle: %v", pixel)
		}
	}
}
