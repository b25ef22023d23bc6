package admin

import "github.com/weigate/weigate/internal/administration"

// Setting returns the value of a setting of an app in the language of the page. Templates call it.
func (s *screen) Setting(setting administration.Setting) string {
	return administration.DescribeSetting(s.texts.Lang, setting)
}

// Facts returns the items of an event's detail, in the language of the page. Templates call it.
func (s *screen) Facts(detail string) []administration.Fact {
	return administration.DetailFacts(s.texts.Lang, detail)
}
