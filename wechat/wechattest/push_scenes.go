package wechattest

import (
	"slices"
	"strings"
	"time"
)

// sceneCode is a QR code with a scene (参数二维码).
type sceneCode struct {
	appID, scene, ticket, url string
	made, expires             time.Time // expires is zero for a permanent code
}

// SceneCode is a QR code with a scene that an account has made. [Server.SceneCodes] returns it.
type SceneCode struct {
	Link    string // the content of the code, for [Server.ScanQR]
	AppID   string
	AppName string
	Scene   string
	Made    time.Time
	Expires time.Time // zero for a permanent code
}

// SceneCodes returns the QR codes with a scene that can be scanned, newest first.
func (s *Server) SceneCodes() []SceneCode {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []SceneCode
	for _, c := range s.state.push.scenes {
		if a := s.app(c.appID); a != nil && c.usable(s.now()) {
			out = append(out, SceneCode{Link: c.url, AppID: c.appID, AppName: a.title(), Scene: c.scene, Made: c.made,
				Expires: c.expires})
		}
	}
	slices.SortFunc(out, func(a, b SceneCode) int {
		if c := b.Made.Compare(a.Made); c != 0 {
			return c
		}
		return strings.Compare(a.Link, b.Link)
	})
	return out
}

func (c *sceneCode) usable(now time.Time) bool { return c.expires.IsZero() || now.Before(c.expires) }

// IsAccountQR reports whether a link has the form of a QR code of an account, which WeChat opens as
// a chat: the account's own code, or a code with a scene. The code may be unknown or expired.
func IsAccountQR(link string) bool {
	return strings.HasPrefix(link, accountQRPrefix) || strings.HasPrefix(link, sceneQRPrefix)
}

// QRAccount returns the appid of the account that a QR code belongs to; "" for an unknown code.
func (s *Server) QRAccount(link string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code := s.state.push.sceneCode(link); code != nil {
		return code.appID
	}
	for _, a := range s.apps {
		if s.accountQR(a.AppID) == link {
			return a.AppID
		}
	}
	return ""
}

const (
	accountQRPrefix = "http://weixin.qq.com/r/"
	sceneQRPrefix   = "http://weixin.qq.com/q/"
)

// sceneCode returns the code with a link or ticket; nil for an unknown one.
func (st *pushState) sceneCode(linkOrTicket string) *sceneCode {
	for _, c := range st.scenes {
		if c.url == linkOrTicket || c.ticket == linkOrTicket {
			return c
		}
	}
	return nil
}

// permanentScenes returns the number of permanent codes of an account.
func (st *pushState) permanentScenes(appID string) int {
	n := 0
	for _, c := range st.scenes {
		if c.appID == appID && c.expires.IsZero() {
			n++
		}
	}
	return n
}

// maxScenes is the greatest number of codes that the simulator stores, for all accounts. WeChat
// allows an account 100,000 permanent codes, and 100,000 temporary codes a day.
const maxScenes = 200_000

// addScene stores a code. To stay cheap, it deletes expired codes only when the number of codes has
// doubled since the last deletion. It returns false if there are maxScenes codes.
func (st *pushState) addScene(c *sceneCode, now time.Time) bool {
	if len(st.scenes) >= max(st.sweepScenes, 1024) {
		for ticket, each := range st.scenes {
			if now.After(each.expires.Add(time.Hour)) && !each.expires.IsZero() {
				delete(st.scenes, ticket)
			}
		}
		st.sweepScenes = min(2*len(st.scenes), maxScenes)
	}
	if len(st.scenes) >= maxScenes {
		return false
	}
	st.scenes[c.ticket] = c
	return true
}
