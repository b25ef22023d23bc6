package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Confirmation is what a page confirms after a form has redirected to it: "Approved: 1". The
// address of the page has the confirmation with a signature. Without the signature, an attacker
// could make a link to a page that confirms something that was not done, or that shows a misleading
// name of a user.
type Confirmation struct {
	Act  string // word of the text
	N    int    // how many rows the act has changed
	User string // id of the user whom the act has changed; "" = none, or several
}

// ConfirmationTime is how long a page shows a confirmation. A browser follows a redirect at once.
const ConfirmationTime = time.Minute

// Address returns the address of a page with the confirmation. The page shows the confirmation
// until the time until, and only to the user with the id viewer.
func (c Confirmation) Address(address string, key []byte, viewer string, until time.Time) string {
	query := c.query(until.Unix())
	query.Set("done_proof", base64.RawURLEncoding.EncodeToString(c.proof(key, viewer, until.Unix())))
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	return address + separator + query.Encode()
}

// ReadConfirmation returns the confirmation in the query of an address. Any of the keys can have
// signed the confirmation. ok is false if the query has no confirmation for this user, or an
// expired one.
func ReadConfirmation(query url.Values, keys [][]byte, viewer string, now time.Time) (c Confirmation, ok bool) {
	n, err := strconv.Atoi(query.Get("n"))
	if err != nil || viewer == "" {
		return c, false
	}
	until, err := strconv.ParseInt(query.Get("done_until"), 10, 64)
	if err != nil || now.Unix() > until {
		return c, false
	}
	proof, err := base64.RawURLEncoding.DecodeString(query.Get("done_proof"))
	if err != nil {
		return c, false
	}
	c = Confirmation{Act: query.Get("done"), N: n, User: query.Get("user")}
	for _, key := range keys {
		if hmac.Equal(c.proof(key, viewer, until), proof) {
			return c, true
		}
	}
	return Confirmation{}, false
}

// query returns the parameters without the signature.
func (c Confirmation) query(until int64) url.Values {
	query := url.Values{"done": {c.Act}, "n": {strconv.Itoa(c.N)}, "done_until": {strconv.FormatInt(until, 10)}}
	if c.User != "" {
		query.Set("user", c.User)
	}
	return query
}

// proof returns the signature.
func (c Confirmation) proof(key []byte, viewer string, until int64) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("weigate confirmation\x00" + viewer + "\x00" + c.query(until).Encode()))
	return mac.Sum(nil)[:18] // 144 bits
}
