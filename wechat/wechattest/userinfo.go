package wechattest

import (
	"bytes"
	"crypto/sha256"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/weigate/weigate/internal/origin"
)

// tokenForm matches well-formed tokens, which are answered with 40001 if unknown; others are
// answered with 40014.
var tokenForm = regexp.MustCompile(`^[0-9]{1,3}_[A-Za-z0-9_-]{20,}$`)

// userInfo serves GET /sns/userinfo. Since 2021-10-20 sex is 0 and the places are empty (WeChat's
// announcement of 2021-09-26). The order of the keys, with the undocumented "language", is as
// captured.
func (s *Server) userInfo(r *request) answer {
	a, app, f := s.token(r)
	if f.code == 0 {
		f = s.checkProfile(a, app, r)
	}
	if f.code != 0 {
		return s.snsError(r, f)
	}
	nickname, picture, privileges := s.profile(a.pair, r)
	openID := s.ids.openID(a.app, a.person, a.virtual)
	var b wire
	b.str("openid", openID)
	b.str("nickname", nickname)
	b.num("sex", 0)
	for _, empty := range []string{"language", "city", "province", "country"} {
		b.str(empty, "")
	}
	b.str("headimgurl", picture)
	b.list("privilege", privileges)
	if p := app.platform(); p != "" {
		b.str("unionid", s.ids.unionID(p, a.person, a.virtual))
	}
	r.call.Answer = "profile, openid " + openID + ", nickname " + strings.ToValidUTF8(nickname, "\uFFFD")
	return s.snsAnswer(b.String(), 0)
}

// checkProfile returns why a valid token may not read the profile.
func (s *Server) checkProfile(a *issuedAccess, app *App, r *request) failure {
	p := s.person(a.person)
	switch {
	case s.overQuota(app.AppID, r.URL.Path):
		return failure{code: codeMinuteQuota}
	case p != nil && p.Frozen:
		return failure{code: codePersonRestricted}
	case !hasScope(a.scope, scopeUserInfo) && !hasScope(a.scope, scopeLogin):
		return failure{code: codeUnauthorized}
	case a.virtual && s.quirks.SnapshotNoProfile:
		return failure{code: codeUnauthorized}
	}
	return failure{}
}

// token returns the access token of a request. It checks the IP allow-list of the app, missing
// parameters, the token and the openid.
func (s *Server) token(r *request) (*issuedAccess, *App, failure) {
	value, openID := r.params.Get("access_token"), r.params.Get("openid")
	a := s.state.access[value]
	var app *App
	if a != nil {
		app = s.app(a.app)
		r.call.AppID, r.call.Person = a.app, a.person
	}
	if f := s.checkIP(app, r); f.code != 0 {
		return nil, nil, f
	}
	switch {
	case value == "":
		return nil, nil, failure{code: codeNoAccessToken}
	case openID == "":
		return nil, nil, failure{code: codeNoOpenID}
	case a == nil && !tokenForm.MatchString(value):
		return nil, nil, failure{code: codeBadAccessToken}
	case a == nil || app == nil:
		return nil, nil, failure{code: codeBadCredential}
	case a.revoked != 0:
		return nil, nil, failure{code: a.revoked}
	case !s.now().Before(a.expires):
		return nil, nil, failure{code: codeTokenExpired}
	case openID != s.ids.openID(a.app, a.person, a.virtual) && !s.quirks.LaxOpenID:
		return nil, nil, failure{code: codeBadOpenID}
	}
	return a, app, failure{}
}

// auth serves GET /sns/auth, the only sns endpoint that answers with errcode 0.
func (s *Server) auth(r *request) answer {
	_, _, f := s.token(r)
	if f.code != 0 {
		return s.snsError(r, f)
	}
	var b wire
	b.num("errcode", 0)
	b.str("errmsg", errmsg(0))
	r.call.Answer = b.String()
	return s.snsAnswer(b.String(), 0)
}

// profile returns the profile of a person, or of the virtual account in snapshot mode.
func (s *Server) profile(who pair, r *request) (nickname, picture string, privileges []string) {
	p := s.person(who.person)
	switch {
	case p == nil || p.Deregistered:
		return "用户已经注销", "", nil
	case who.virtual:
		return "微信用户", s.pictureURL(r, "virtual"), nil
	}
	nickname, picture = p.Nickname, p.Avatar
	if picture == "" {
		picture = s.pictureURL(r, p.ID)
	}
	if p.NoAvatar {
		picture = ""
	}
	switch s.quirks.Dirty {
	case DirtyControl:
		nickname = "\x14" + nickname + "\x07\x08\n"
	case DirtyUTF8:
		nickname += "\xff\xe5\xb0"
	case DirtyEmoji:
		nickname += " 👩‍👩‍👧\U0010FFFD\uE13C⚡️"
	case DirtyNoAvatar:
		picture = ""
	}
	return nickname, picture, p.Privileges
}

// pictureURL returns the address of a picture on this server, or WeChat's address for requests to
// WeChat's host names.
func (s *Server) pictureURL(r *request, name string) string {
	base := strings.TrimSuffix(s.cfg.OpenURL, "/")
	if base == "" {
		if base = r.base(); slices.Contains(wechatHosts(), origin.Hostname(r.Host)) {
			base = "https://thirdwx.qlogo.cn"
		}
	}
	return base + "/mmopen/vi_32/" + name + "/132"
}

// base returns the address of the server to which the request was sent.
func (r *request) base() string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

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
