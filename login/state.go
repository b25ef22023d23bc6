package login

import (
	"crypto/rand"
	"encoding/base32"
)

// WeChat allows letters and digits in a state, 128 bytes of them, and hands it
// back without encoding it again (WeChat's documentation, "Web authorization";
// longer ones ended in an error page in the field). So a state carries nothing
// but randomness, and one digit that counts how often this visitor was sent
// round already: the digit survives where cookies do not.
const (
	stateRandom = 26 // characters of [a-z2-7], 130 bits
	stateLength = stateRandom + 1
	maxRestarts = 2
)

// newState returns a state that nobody can guess.
func newState(restarts int) string {
	var raw [17]byte
	rand.Read(raw[:]) // never fails: crypto/rand ends the program instead
	text := base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding).EncodeToString(raw[:])
	return text[:stateRandom] + string(rune('0'+restarts))
}

// validState says whether text has the form of a state. Anything else is not
// looked up, logged or hashed.
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

// restartsOf reads the count from a valid state.
func restartsOf(state string) int { return int(state[stateRandom] - '0') }
