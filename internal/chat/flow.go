package chat

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/useragent"
)

// This file contains the content of a desktop's cookie, and what is derived from it. The desktop is
// the browser that signs in. A flow is one sign-in; the desktop keeps it in its cookie. The user
// sends a number (method message), or scans a QR code (method follow). A number or QR code expires,
// and a new one replaces it. Each number or QR code of a flow is a round, with its own row in the store.

const (
	seedSize = 32
	life     = 5 * time.Minute // how long a number or QR code is valid
	attempts = 5               // how many numbers a round tries: each may already belong to another desktop
)

// desktopFlow is the content of a desktop's cookie: one sign-in in one tab. The secrets of all
// rounds are derived from Seed.
type desktopFlow struct {
	Seed         []byte                 `json:"s"`
	Round        int                    `json:"n,omitempty"` // 0 is the first, each renewal adds 1
	Attempt      int                    `json:"t,omitempty"` // how many numbers of this round another desktop had
	CreatedAt    int64                  `json:"m,omitempty"` // when the row of this round was stored (Unix); 0 = not yet
	ActiveAt     int64                  `json:"b"`           // when the user started or renewed (Unix); for package tabs
	Completed    bool                   `json:"x,omitempty"` // the browser is signed in
	OnPhone      bool                   `json:"p,omitempty"` // this browser is on a phone: its user cannot scan the screen
	InWeChat     bool                   `json:"v,omitempty"` // WeChat's browser: on a phone, it closes when a chat opens
	Method       string                 `json:"w"`
	Connector    string                 `json:"e"`
	QRCode       string                 `json:"q,omitempty"` // content of the QR code of this round
	LoginRequest session.PendingRequest `json:"d"`
	tabID        string                 // part of the cookie's name; URLs contain it as the parameter d
}

func newSeed() []byte {
	seed := make([]byte, seedSize)
	rand.Read(seed)
	return seed
}

// derive derives n bytes from the seed by HKDF, for a purpose and the present round.
func (f *desktopFlow) derive(purpose string, n int) ([]byte, error) {
	out, err := hkdf.Key(sha256.New, f.Seed, []byte(strconv.Itoa(f.Round)), "weigate/chat "+purpose, n)
	if err != nil {
		return nil, fmt.Errorf("chat: derive: %w", err)
	}
	return out, nil
}

// number returns the number of this round. It is derived from the seed. Therefore concurrent
// requests get the same number.
func (f *desktopFlow) number() (string, error) {
	stream, err := f.derive("number "+strconv.Itoa(f.Attempt), 64)
	if err != nil {
		return "", err
	}
	for ; len(stream) >= 4; stream = stream[4:] {
		// This bound is the largest multiple of a million in 32 bits: all numbers are equally likely.
		if n := binary.BigEndian.Uint32(stream); n < 4294_000_000 {
			return withCheckDigit(fmt.Sprintf("%06d", n%1_000_000)), nil
		}
	}
	return "", errors.New("chat: no number") // less likely than 2^-100
}

// scenePrefix begins the scenes of this package. The account may have other QR codes with scenes.
const scenePrefix = "wg-"

// scene returns the scene of the QR code of this round.
func (f *desktopFlow) scene() (string, error) {
	id, err := f.derive("scene", 16)
	return scenePrefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(id)), err
}

// identifier returns what the user sends: the number or the scene.
func (f *desktopFlow) identifier() (string, error) {
	if f.Method == gateway.MethodFollow {
		return f.scene()
	}
	return f.number()
}

// hashes returns the fields Key and Desktop of the row of this round. Key finds the row. Desktop
// proves that the cookie belongs to the row.
func (f *desktopFlow) hashes() (key, desktop [32]byte, err error) {
	identifier, err := f.identifier()
	if err != nil {
		return key, desktop, err
	}
	secret, err := f.derive("desktop", 32)
	return rowKey(f.Connector, f.Method, identifier),
		sha256.Sum256(append([]byte("weigate/chat desktop\x00"), secret...)), err
}

// rowKey returns the field Key of the row for a number or scene (identifier).
func rowKey(connector, method, identifier string) [32]byte {
	return sha256.Sum256([]byte("weigate/chat key\x00" + connector + "\x00" + method + "\x00" + identifier))
}

// newCode returns a random confirmation code.
func newCode() string {
	for {
		var random [4]byte
		rand.Read(random[:])
		// This bound is the largest multiple of 10,000 in 32 bits: all codes are equally likely.
		if n := binary.BigEndian.Uint32(random[:]); n < 429496*10_000 {
			return fmt.Sprintf("%04d", n%10_000)
		}
	}
}

// networkKey derives the key of networkHash from a key of Config.Keys.
func networkKey(key []byte) ([]byte, error) {
	out, err := hkdf.Key(sha256.New, key, nil, "weigate/chat network", 32)
	if err != nil {
		return nil, fmt.Errorf("chat: derive a key: %w", err)
	}
	return out, nil
}

// networkHash returns a keyed hash of the network of an address, to limit the rows of one network.
// It returns "" for an unknown address and for a loopback address. A loopback address means that a
// local proxy is missing in trusted_proxies, so the client's address is not known. All rows with ""
// share one limit.
func (h *Handler) networkHash(a netip.Addr) string {
	if !a.IsValid() || a.IsLoopback() {
		return ""
	}
	mac := hmac.New(sha256.New, h.network)
	mac.Write([]byte(limit.Network(a)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:12])
}

// newRow returns the row of this round.
func (h *Handler) newRow(r *http.Request, f *desktopFlow, now time.Time) (gateway.ChatSignIn, error) {
	key, desktop, err := f.hashes()
	if err != nil {
		return gateway.ChatSignIn{}, err
	}
	address := h.cfg.Address(r)
	var data []byte
	if f.LoginRequest.Deletion {
		data = []byte(dataDeletion)
	}
	return gateway.ChatSignIn{
		Key: key, Desktop: desktop, Connector: f.Connector, Method: f.Method, App: f.LoginRequest.App,
		Browser: useragent.Of(r).String(), MaskedIP: route.MaskedAddress(address), Network: h.networkHash(address),
		CreatedAt: now, ExpiresAt: now.Add(life), Data: data,
	}, nil
}

// dataDeletion is the field Data of the row if the user signs in to delete their account.
const dataDeletion = "deletion"
