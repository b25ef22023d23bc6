package flow

import (
	"crypto/rand"
	"encoding/base32"
)

// WeChat allows letters and digits in a state, 128 bytes of them, and returns it without encoding
// it again (WeChat's documentation, "Web authorization"; longer ones led to error pages in
// production). So a state consists of random characters, and one digit that counts the restarts of this
// sign-in: WeChat returns the digit even where cookies are lost.
const (
	stateRandom = 26 // characters of [a-z2-7], 130 bits
	stateLength = stateRandom + 1
	maxRestarts = 2
)

// newState returns a state that cannot be guessed.
func newState(restarts int) string {
	var raw [17]byte
	rand.Read(raw[:]) // never fails: crypto/rand ends the program instead
	text := base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding).EncodeToString(raw[:])
	return text[:stateRandom] + string(rune('0'+restarts))
}

// validState reports whether text has the form of a state. Other values are rejected before anything
// is looked up, logged or hashed.
func validState(text string) bool {
	if len(text) != stateLength {
		return false
	}
	for _, c := range []byte(text[:stateRandom]) {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	last := text[stateRandom]
	return last >= '0' && last <= '0'+maxRestarts
}

// restartsOf returns the count in a valid state.
func restartsOf(state string) int { return int(state[stateRandom] - '0') }
