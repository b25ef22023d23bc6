// Package errcode explains WeChat's errcodes to administrators, in English and Chinese: what happened,
// who can correct it, and what to do.
//
// The errcode -1 and those from 40001 on are answers of WeChat's API. The errcodes 10003 to 10016
// are shown on WeChat's own error pages. The gateway does not receive these errcodes: users report
// them. Only 10015 (a third-party platform without authorization) is also an answer of the API.
package errcode

import (
	"embed"
	"slices"
	"strconv"

	"github.com/weigate/weigate/internal/lang"
)

//go:embed files
var files embed.FS

var texts = lang.MustLoad(files, "files")

// Side is who can correct an error.
type Side string

// The sides.
const (
	WeChat   Side = "wechat"
	Operator Side = "operator" // the administrator of the gateway and of the account at WeChat
	User     Side = "user"
)

// sides returns the errcodes that have texts, by the side that can correct them.
func sides() map[Side][]int {
	return map[Side][]int{
		WeChat: {-1},
		Operator: {
			10003, 10004, 10005, 10010, 10011, 10012, 10013, 10015, 10016, 40001, 40002, 40013, 40066,
			40125, 40164, 40243, 41001, 41002, 41003, 41004, 41008, 41009, 41018, 43001, 43002, 43003, 45009,
			45011, 48001, 48004, 48017, 61004, 61007, 89503,
		},
		User: {
			10006, 10009, 40003, 40014, 40029, 40030, 40163, 40226, 42001, 42002, 42003, 42007, 50001,
			50002, 61010,
		},
	}
}

// Explanation is the meaning of an errcode, in one language.
type Explanation struct {
	What     string // what happened, as one sentence
	Side     Side   // "" = unknown
	SideName string // in the language; "" = unknown
	Do       string // what to do next
	Text     string // all of it as one paragraph
}

// Explain returns the meaning of an errcode. For an unknown errcode, it returns a text that says
// where to look it up.
func Explain(language string, code int) Explanation {
	t := texts.In(language)
	for side, codes := range sides() {
		if slices.Contains(codes, code) {
			key := strconv.Itoa(code)
			e := Explanation{What: t.MustText(key + ".what"), Side: side, SideName: t.MustText("side." + string(side)),
				Do: t.MustText(key + ".do")}
			e.Text = t.MustText("text", "what", e.What, "side", e.SideName, "do", e.Do)
			return e
		}
	}
	e := Explanation{What: t.MustText("other.what"), Do: t.MustText("other.do")}
	e.Text = t.MustText("text.other", "what", e.What, "do", e.Do)
	return e
}

// Parse parses a text as an errcode. found is false if the text is not a number, or if the errcode
// has no texts.
func Parse(text string) (code int, found bool) {
	code, err := strconv.Atoi(text)
	return code, err == nil && slices.Contains(Codes(), code)
}

// Codes returns the errcodes that have texts, sorted.
func Codes() (all []int) {
	for _, codes := range sides() {
		all = append(all, codes...)
	}
	slices.Sort(all)
	return all
}
