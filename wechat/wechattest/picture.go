package wechattest

import (
	"bytes"
	"crypto/sha256"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strconv"
	"strings"
)

// avatar serves a person's picture, a symmetric pattern derived from the name. The last part of the
// path is the size in pixels, 0 for 640, as in WeChat's addresses.
func (s *Server) avatar(r *request) answer {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/mmopen/"), "/")
	if len(parts) != 3 {
		return plain(http.StatusNotFound, "no such picture")
	}
	size, err := strconv.Atoi(parts[2])
	switch {
	case err != nil:
		return plain(http.StatusNotFound, "no such picture")
	case size == 0:
		size = 640
	case size != 46 && size != 64 && size != 96 && size != 132:
		return plain(http.StatusNotFound, "the sizes are 0, 46, 64, 96 and 132")
	}
	var b bytes.Buffer
	if err := png.Encode(&b, drawPicture(parts[1], size)); err != nil {
		return plain(http.StatusInternalServerError, "the picture cannot be drawn")
	}
	return answer{status: http.StatusOK, body: b.Bytes(), header: http.Header{
		"Content-Type": {"image/png"}, "Cache-Control": {"max-age=3600"}, "X-Content-Type-Options": {"nosniff"}}}
}

func drawPicture(name string, size int) image.Image {
	const cells = 7 // five, and a border
	sum := sha256.Sum256([]byte(name))
	dark := color.RGBA{60 + sum[0]%120, 60 + sum[1]%120, 60 + sum[2]%120, 255}
	light := color.RGBA{225 + sum[0]%24, 225 + sum[1]%24, 225 + sum[2]%24, 255}
	img := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{light, dark})
	for y := range size {
		for x := range size {
			cx, cy := x*cells/size-1, y*cells/size-1
			if cx < 0 || cx > 4 || cy < 0 || cy > 4 {
				continue
			}
			if cx > 2 {
				cx = 4 - cx
			}
			if sum[4+cy*3+cx]&1 == 1 {
				img.SetColorIndex(x, y, 1)
			}
		}
	}
	return img
}
