package chat

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// This file contains the numbers that a person sends to the account, and the reading of what people
// type.

const (
	numberDigits = 7 // of a number, with its check digit
	codeDigits   = 4 // of a confirmation code

	// maxTyped is how many characters of a message are read. A message with a number is short.
	maxTyped = 64
)

// damm is the table of the Damm algorithm (H. M. Damm, 2004). The algorithm finds each wrong digit,
// and each swap of two neighbours.
var damm = [10][10]byte{
	{0, 3, 1, 7, 5, 9, 8, 6, 4, 2}, {7, 0, 9, 2, 1, 5, 4, 8, 6, 3}, {4, 2, 0, 6, 8, 7, 1, 3, 5, 9},
	{1, 7, 5, 0, 9, 8, 3, 4, 2, 6}, {6, 1, 2, 3, 0, 4, 5, 9, 7, 8}, {3, 6, 7, 4, 2, 0, 9, 5, 8, 1},
	{5, 8, 6, 9, 7, 2, 0, 1, 3, 4}, {8, 9, 4, 5, 3, 6, 2, 0, 1, 7}, {9, 4, 3, 8, 6, 1, 7, 2, 0, 5},
	{2, 5, 8, 1, 4, 3, 6, 7, 9, 0},
}

// checkDigit returns the check digit of a text of digits. It is 0 for a text that ends in its check
// digit.
func checkDigit(digits string) byte {
	var state byte
	for i := range len(digits) {
		state = damm[state][digits[i]-'0']
	}
	return '0' + state
}

// withCheckDigit returns the digits with their check digit.
func withCheckDigit(digits string) string { return digits + string(checkDigit(digits)) }

func isNumber(digits string) bool { return len(digits) == numberDigits && checkDigit(digits) == '0' }

// spaced returns a number as pages show it, such as "482 9153".
func spaced(number string) string { return number[:3] + " " + number[3:] }

// typed is what a message contains.
type typed int

const (
	typedOther   typed = iota // no number
	typedNumber               // one number
	typedWrong                // one number with a wrong digit
	typedDigits               // nothing but a few digits, more or fewer than a number has
	typedDecline              // a person wants to stop a sign-in
)

// readMessage returns the number in the text of a message. People write words, punctuation and
// emoji around a number, blanks and dashes inside it, and full-width digits. A message with two
// numbers has none: it is not known which one the person means.
func readMessage(text string) (number string, kind typed) {
	digits, words := runs(text)
	var found []string
	for _, run := range digits {
		if len(run) == numberDigits {
			found = append(found, run)
		}
	}
	switch {
	case len(found) == 1 && isNumber(found[0]):
		return found[0], typedNumber
	case len(found) == 1:
		return "", typedWrong
	// The digit 0, or a word that declines.
	case len(digits) == 1 && digits[0] == "0" && words == "", isDecline(words) && len(digits) == 0:
		return "", typedDecline
	case len(found) == 0 && len(digits) == 1 && words == "" && len(digits[0]) >= 4 && len(digits[0]) <= 9:
		return "", typedDigits
	}
	return "", typedOther
}

func isDecline(words string) bool {
	switch words {
	case "取消", "取消登录", "拒绝", "不是我", "cancel", "decline":
		return true
	}
	return false
}

// runs returns the runs of digits of a text, and the letters of the text in lower case. One or two
// blanks or dashes between digits do not end a run.
func runs(text string) (digits []string, words string) {
	var run, letters strings.Builder
	gap := 0 // blanks and dashes since the last digit
	end := func() {
		if run.Len() > 0 {
			digits = append(digits, run.String())
		}
		run.Reset()
		gap = 0
	}
	n := 0
	for _, c := range width.Fold.String(text) { // ASCII forms of full-width characters, such as digits
		if n++; n > maxTyped {
			break
		}
		switch {
		case c >= '0' && c <= '9':
			run.WriteRune(c)
			gap = 0
		case isFormat(c): // ignored
		case isSeparator(c) && gap < 2:
			gap++
		default:
			end()
			if unicode.IsLetter(c) {
				letters.WriteRune(unicode.ToLower(c))
			}
		}
	}
	end()
	return digits, letters.String()
}

// isFormat reports whether a character is invisible: a zero-width blank, a mark of the text
// direction, or the variation selector and the frame of a keycap emoji.
func isFormat(c rune) bool {
	return unicode.Is(unicode.Cf, c) || c == '\ufe0f' || c == '\u20e3'
}

func isSeparator(c rune) bool {
	switch c {
	case ' ', '\u00a0', '\u2002', '\u2003', '\u2009', '-', '‐', '‑', '‒', '–', '—':
		return true
	}
	return false
}

// readCode returns the confirmation code that a user typed on the desktop, or "" for any other
// text.
func readCode(text string) string {
	digits, words := runs(text)
	if len(digits) != 1 || words != "" || len(digits[0]) != codeDigits {
		return ""
	}
	return digits[0]
}
