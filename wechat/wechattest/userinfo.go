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

// tokenFormat is the format of WeChat's access tokens. WeChat answers an unknown token of this
// format with 40001, and a value of another format with 40014.
var tokenFormat = regexp.MustCompile(`^[0-9]{1,3}_[A-Za-z0-9_-]{20,}$`)

// userInfo serves GET /sns/userinfo. Since 2021-10-20 WeChat returns 0 for sex, and "" for
// language, city, province and country (announcement of 2021-09-26). The order of the keys was
// captured at WeChat. The key "language" is not documented.
func (s *Server) userInfo(r *request) response {
	token, app, f := s.checkAccessToken(r)
	if f.code == 0 {
		f = s.checkProfile(token, app, r)
	}
	if f.code != 0 {
		return s.snsError(r, f)
	}
	nickname, picture, privileges := s.profile(token.appUser, r)
	openID := s.ids.openID(token.appID, token.person, token.virtual)
	var b jsonObject
	b.str("openid", openID)
	b.str("nickname", nickname)
	b.num("sex", 0)
	b.str("language", "")
	b.str("city", "")
	b.str("province", "")
	b.str("country", "")
	b.str("headimgurl", picture)
	b.list("privilege", privileges)
	if p := app.platform(); p != "" {
		b.str("unionid", s.ids.unionID(p, token.person, token.virtual))
	}
	r.call.Answer = "profile, openid " + openID + ", nickname " + strings.ToValidUTF8(nickname, "\uFFFD")
	return s.snsResponse(b.String(), 0)
}

// checkProfile returns the error if a valid access token may not read the profile.
func (s *Server) checkProfile(token *issuedAccessToken, app *App, r *request) snsFailure {
	p := s.person(token.person)
	switch {
	case s.overQuota(app.AppID, r.URL.Path):
		return snsFailure{code: codeMinuteQuota}
	case p != nil && p.Frozen:
		return snsFailure{code: codePersonRestricted}
	case !hasScope(token.scope, scopeUserInfo) && !hasScope(token.scope, scopeLogin):
		return snsFailure{code: codeUnauthorized}
	case token.virtual && s.quirks.SnapshotNoProfile:
		return snsFailure{code: codeUnauthorized}
	}
	return snsFailure{}
}

// checkAccessToken returns the access token of a request and the app that it was issued to. It
// checks in this order: the app's IP allow-list, missing parameters, the access token, the openid.
func (s *Server) checkAccessToken(r *request) (*issuedAccessToken, *App, snsFailure) {
	value, openID := r.params.Get("access_token"), r.params.Get("openid")
	token := s.state.accessTokens[value]
	var app *App
	if token != nil {
		app = s.app(token.appID)
		r.call.AppID, r.call.Person = token.appID, token.person
	}
	if f := s.checkIP(app, r); f.code != 0 {
		return nil, nil, f
	}
	switch {
	case value == "":
		return nil, nil, snsFailure{code: codeNoAccessToken}
	case openID == "":
		return nil, nil, snsFailure{code: codeNoOpenID}
	case token == nil && !tokenFormat.MatchString(value):
		return nil, nil, snsFailure{code: codeBadAccessToken}
	case token == nil || app == nil:
		return nil, nil, snsFailure{code: codeBadCredential}
	case token.revokedErrcode != 0:
		return nil, nil, snsFailure{code: token.revokedErrcode}
	case !s.now().Before(token.expires):
		return nil, nil, snsFailure{code: codeTokenExpired}
	case openID != s.ids.openID(token.appID, token.person, token.virtual) && !s.quirks.LaxOpenID:
		return nil, nil, snsFailure{code: codeBadOpenID}
	}
	return token, app, snsFailure{}
}

// auth serves GET /sns/auth: it checks an access token. Only this sns endpoint has an errcode in a
// successful response: 0.
func (s *Server) auth(r *request) response {
	_, _, f := s.checkAccessToken(r)
	if f.code != 0 {
		return s.snsError(r, f)
	}
	var b jsonObject
	b.num("errcode", 0)
	b.str("errmsg", errmsg(0))
	r.call.Answer = b.String()
	return s.snsResponse(b.String(), 0)
}

// profile returns the profile of a user. All virtual accounts (made-up users of snapshot mode, 快照页)
// have one profile; other users have the person's profile.
func (s *Server) profile(user appUser, r *request) (nickname, picture string, privileges []string) {
	p := s.person(user.person)
	switch {
	case p == nil || p.Deregistered:
		return "用户已经注销", "", nil // "the user has deregistered"
	case user.virtual:
		return "微信用户", s.pictureURL(r, "virtual"), nil // "WeChat user"
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

// pictureURL returns the address of a picture on this server. If the Host of the request is a name
// of WeChat, the address is on WeChat's picture host.
func (s *Server) pictureURL(r *request, name string) string {
	base := strings.TrimSuffix(s.cfg.OpenURL, "/")
	switch {
	case base != "":
	case slices.Contains(wechatHosts(), origin.Hostname(r.Host)):
		base = "https://thirdwx.qlogo.cn"
	default:
		base = r.base()
	}
	return base + "/mmopen/vi_32/" + name + "/132"
}

// base returns the origin that the request was sent to, such as http://127.0.0.1:8090.
func (r *request) base() string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// avatar serves GET /mmopen/vi_32/NAME/SIZE, the picture of a person. The picture is a symmetric
// pattern derived from NAME. SIZE is the width in pixels. 0 means 640, as at WeChat.
func (s *Server) avatar(r *request) response {
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
	return response{status: http.StatusOK, body: b.Bytes(), header: http.Header{
		"Content-Type": {"image/png"}, "Cache-Control": {"max-age=3600"}, "X-Content-Type-Options": {"nosniff"}}}
}

// drawPicture draws five by five cells with a border of one cell. The right half mirrors the left.
func drawPicture(name string, size int) image.Image {
	const cells = 7 // five and the border
	sum := sha256.Sum256([]byte(name))
	dark := color.RGBA{60 + sum[0]%120, 60 + sum[1]%120, 60 + sum[2]%120, 255}
	light := color.RGBA{225 + sum[0]%24, 225 + sum[1]%24, 225 + sum[2]%24, 255}
	img := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{light, dark})
	for y := range size {
		for x := range size {
			cx, cy := x*cells/size-1, y*cells/size-1
			if cx < 0 || cx > 4 || cy < 0 || cy > 4 {
				continue // the border
			}
			if cx > 2 {
				cx = 4 - cx // the mirrored half
			}
			if sum[4+cy*3+cx]&1 == 1 { // one byte for each cell of the left half; bytes 0 to 2 are the colour
				img.SetColorIndex(x, y, 1) // dark
			}
		}
	}
	return img
}
