package admin

import "github.com/weigate/weigate/internal/administration"

// Facts returns the items of an event's detail, in the language of the page. Templates call it.
func (s *screen) Facts(detail string) []administration.Fact {
	return administration.DetailFacts(s.texts.Lang, detail)
}
