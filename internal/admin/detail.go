package admin

import (
	"strings"

	"github.com/weigate/weigate/internal/lang"
)

// This file translates what an event says about a change. The log has one form of each detail, in
// English, so that exports and the command line do not depend on a language.

// detailWords are the parts of details that package administration writes, and the keys of their
// texts. The longer beginning comes first.
var detailWords = []struct{ english, key string }{
	{"real name changed", "detail.real_name"},
	{"note changed", "detail.note"},
	{"nothing changed", "detail.nothing"},
	{"administrator rights removed", "detail.rights_removed"},
	{"every waiting request", "detail.every_request"},
	{"any number of uses", "detail.any_uses"},
	{"for all apps", "detail.for_all"},
	{"groups added: ", "detail.groups_added"},
	{"groups: ", "detail.groups"},
	{"groups ", "detail.groups"},
	{"allowed apps: ", "detail.allowed"},
	{"refused apps: ", "detail.refused"},
	{"reason: ", "detail.reason"},
	{"invitation ", "detail.invitation"},
	{"kind ", "detail.kind"},
	{"uses ", "detail.uses"},
	{"until ", "detail.until"},
	{"scopes ", "detail.scopes"},
	{"key ", "detail.key"},
	{"delivery ", "detail.delivery"},
	{"with ", "detail.with"},
	{"for ", "detail.for"},
}

// Detail returns the detail of an event in the language of the page. Parts that it does not know stay
// as they are, and so does everything that follows a reason, which an administrator typed.
func (s *screen) Detail(detail string) (string, error) {
	if s.texts.Lang == lang.English {
		return detail, nil
	}
	var out []string
	for rest := detail; rest != ""; {
		item, next, _ := strings.Cut(rest, "; ")
		if strings.HasPrefix(item, "reason: ") {
			item, next = rest, ""
		}
		rest = next
		translated, err := s.detailItem(item)
		if err != nil {
			return "", err
		}
		out = append(out, translated)
	}
	return strings.Join(out, "；"), nil
}

func (s *screen) detailItem(item string) (string, error) {
	for _, word := range detailWords {
		value, found := strings.CutPrefix(item, word.english)
		if !found || value != "" && !strings.HasSuffix(word.english, " ") {
			continue
		}
		text, err := s.texts.Text(word.key)
		if value == "" {
			return text, err
		}
		return text + "：" + value, err
	}
	return item, nil
}
