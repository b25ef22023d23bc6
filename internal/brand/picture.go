package brand

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image"
	"image/color"
	_ "image/jpeg" // for image.DecodeConfig
	"image/png"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/weigate/weigate/internal/lang" // errors that contain values: they can be shown in Chinese
)

// Picture is the content of a picture file. The zero value has no content.
type Picture struct {
	Type    string // media type, such as image/png; "" = no picture
	Content string
}

// Bounds of the administrator's pictures. The width and the height are checked before a picture is
// decoded: a small file can contain a very large picture.
const (
	maxFile   = 256 << 10
	maxPixels = 2048 // width and height
	minIcon   = 192  // width and height of an icon: the least size for a home screen
)

// ReadPicture reads a file in the format PNG, JPEG, WebP or SVG. The content decides, not the name.
func ReadPicture(name string) (Picture, error) {
	content, err := readFile(name)
	if err != nil {
		return Picture{}, err
	}
	p := Picture{Type: mediaType(content), Content: string(content)}
	switch p.Type {
	case "":
		return Picture{}, errors.New("not a picture: must be a PNG, JPEG, WebP or SVG file")
	case "image/png", "image/jpeg":
		if _, err := checkSize(p); err != nil {
			return Picture{}, err
		}
	} // the gateway does not decode WebP and SVG
	return p, nil
}

// ReadIcon reads a square PNG file, from which [Picture.Icon] makes icons of several sizes.
func ReadIcon(name string) (Picture, error) {
	p, err := ReadPicture(name)
	if err != nil {
		return Picture{}, err
	}
	if p.Type != "image/png" {
		return Picture{}, errors.New("must be a PNG file")
	}
	size, err := checkSize(p)
	if err != nil {
		return Picture{}, err
	}
	if size.X != size.Y || size.X < minIcon {
		return Picture{}, lang.Errorf("must be a square of at least %d×%d pixels, not %d×%d", minIcon, minIcon, size.X,
			size.Y)
	}
	if _, err := p.Icon(minIcon); err != nil { // the pixels are damaged
		return Picture{}, err
	}
	return p, nil
}

// readFile reads a file of at most maxFile bytes.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("file does not exist")
	}
	if err != nil {
		return nil, errors.New("cannot open the file: check its permissions, and those of its folder")
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, errors.New("cannot read the file")
	}
	if len(content) > maxFile {
		return nil, lang.Errorf("file is larger than %d kB", maxFile>>10)
	}
	return content, nil
}

// mediaType returns the media type of a picture, or "" for anything else.
func mediaType(content []byte) string {
	switch {
	case bytes.HasPrefix(content, []byte("\x89PNG\r\n\x1a\n")):
		return "image/png"
	case bytes.HasPrefix(content, []byte("\xff\xd8\xff")):
		return "image/jpeg"
	case len(content) > 12 && string(content[:4]) == "RIFF" && string(content[8:12]) == "WEBP":
		return "image/webp"
	case isSVG(content):
		return "image/svg+xml"
	}
	return ""
}

// isSVG reports whether the root of an XML document is svg. A file with a document type declaration
// is not accepted: it could declare entities that expand to gigabytes.
func isSVG(content []byte) bool {
	decoder := xml.NewDecoder(bytes.NewReader(content))
	root := ""
	for {
		token, err := decoder.Token()
		if err != nil {
			return errors.Is(err, io.EOF) && root == "svg"
		}
		switch t := token.(type) {
		case xml.Directive:
			return false
		case xml.StartElement:
			if root == "" {
				root = strings.ToLower(t.Name.Local)
			}
		}
	}
}

// checkSize returns the width and the height of a picture, or an error if they exceed the bounds.
func checkSize(p Picture) (image.Point, error) {
	config, _, err := image.DecodeConfig(strings.NewReader(p.Content))
	if err != nil {
		return image.Point{}, errors.New("the picture is damaged")
	}
	if config.Width > maxPixels || config.Height > maxPixels {
		return image.Point{}, lang.Errorf("must be at most %d×%d pixels, not %d×%d", maxPixels, maxPixels, config.Width,
			config.Height)
	}
	return image.Point{X: config.Width, Y: config.Height}, nil
}

// Icon returns the picture, a square PNG, in another size, as PNG.
func (p Picture) Icon(size int) (_ []byte, err error) {
	if _, err := checkSize(p); err != nil {
		return nil, err
	}
	source, err := png.Decode(strings.NewReader(p.Content))
	if err != nil {
		return nil, errors.New("the picture is damaged")
	}
	var out bytes.Buffer
	err = png.Encode(&out, resize(source, size))
	return out.Bytes(), err
}

// resize returns a square picture in another size. Each pixel is the mean of the pixels that it
// covers.
func resize(source image.Image, size int) image.Image {
	bounds := source.Bounds()
	out := image.NewNRGBA64(image.Rect(0, 0, size, size))
	// from returns the coordinate (x or y) in source at which the pixels begin that are covered by the
	// pixels of the result with the coordinate i. length is the width or the height of source.
	from := func(i, length int) int { return i * length / size }
	for y := range size {
		for x := range size {
			area := image.Rect(from(x, bounds.Dx()), from(y, bounds.Dy()), from(x+1, bounds.Dx()), from(y+1, bounds.Dy()))
			area.Max.X, area.Max.Y = max(area.Max.X, area.Min.X+1), max(area.Max.Y, area.Min.Y+1)
			out.Set(x, y, mean(source, area.Add(bounds.Min)))
		}
	}
	return out
}

// mean returns the mean color of an area.
func mean(source image.Image, area image.Rectangle) color.Color {
	var red, green, blue, alpha, n uint64
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			r, g, b, a := source.At(x, y).RGBA()
			red, green, blue, alpha = red+uint64(r), green+uint64(g), blue+uint64(b), alpha+uint64(a)
			n++
		}
	}
	return color.RGBA64{R: uint16(red / n), G: uint16(green / n), B: uint16(blue / n), A: uint16(alpha / n)}
}
