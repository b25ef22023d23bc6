package administration

import (
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/useragent"
)

// This file translates the details of events for people. The audit log has details in English, with
// times in UTC: exports do not depend on a language or a time zone. A detail is a list of items
// with "; " between them. An item is a phrase, or a label and a value. A reason is the
// last item: an administrator typed it, so it can contain "; " itself.

// Fact is an item of the detail of an event, for display. A phrase has a Value only.
type Fact struct {
	Label string // "" = none
	Value string // "" = At is the value
	At    time.Time
}

// detailPhrases are items without a value, and the keys of their texts.
var detailPhrases = map[string]string{
	"real name changed":                          "real_name",
	"note changed":                               "note",
	"nothing changed":                            "nothing",
	"administrator rights removed":               "rights_removed",
	"every waiting request":                      "every_request",
	"any number of uses":                         "any_uses",
	"made an administrator":                      "made_admin",
	"moved to another WeChat account":            "moved",
	"signed in without WeChat":                   "without_wechat",
	"new administrator":                          "new_admin",
	"first sign-in":                              "first_sign_in",
	"first sign-in at this connector":            "first_at_connector",
	"same unionid":                               "same_unionid",
	"another openid of the same appid":           "other_openid",
	"another unionid":                            "other_unionid",
	"not joined":                                 "not_joined",
	"first unionid kept":                         "unionid_kept",
	"administrator rights not transferred":       "rights_not_transferred",
	"the user is blocked":                        "blocked",
	"all tokens of this grant have been revoked": "tokens_revoked",
}

// detailLabels are the beginnings of items with a value, and the keys of their labels. The first
// match counts, so "groups added: " comes before "groups ".
var detailLabels = []struct{ begins, key string }{
	{"groups not transferred: ", "groups_not_transferred"},
	{"groups added: ", "groups_added"},
	{"groups: ", "groups"},
	{"groups ", "groups"},
	{"allowed apps: ", "allowed"},
	{"refused apps: ", "refused"},
	{"approved for ", "approved_for"},
	{"still refused for ", "still_refused"},
	{"imported id kept: ", "old_id_kept"},
	{"imported id dropped: ", "old_id_dropped"},
	{"subject dropped of user ", "subject_dropped"},
	{"joined into ", "joined_into"},
	{"joined user ", "joined_user"},
	{"created by ", "created_by"},
	{"invitation ", "invitation"},
	{gateway.DetailBrowser, "browser"},
	{"algorithm ", "algorithm"},
	{"delivery ", "delivery"},
	{"version: ", "version"},
	{"hash: ", "hash"},
	{"receiver ", "receiver"},
	{"identity ", "identity"},
	{"exported ", "exported"},
	{"format ", "format"},
	{"status ", "status"},
	{"scopes ", "scopes"},
	{"reason: ", "reason"},
	{"until ", "until"},
	{"kind ", "kind"},
	{"uses ", "uses"},
	{"url: ", "url"},
	{"user ", "user"},
	{"with ", "with"},
	{"key ", "key"},
	{"for ", "for"},
}

// detailValues are the values that are words of this program, by the key of the label. They are
// translated. Other values are ids and names.
var detailValues = map[string][]string{
	"for":          {"all apps"},
	"approved_for": {"all apps"},
	"kind":         {"user", "admin", "move"},
	"status":       {"active", "pending", "blocked"},
	"exported":     {"users", "events"},
	"created_by":   {"command"},
}

// DetailFacts returns the items of the detail of an event in a language. An item that it does not
// know stays as it is.
func DetailFacts(language, detail string) []Fact {
	texts := catalogue.In(language)
	var facts []Fact
	for rest := detail; rest != ""; {
		item, next, _ := strings.Cut(rest, "; ")
		if strings.HasPrefix(item, reasonBegins) {
			item, next = rest, ""
		}
		rest = next
		facts = append(facts, detailFact(texts, item))
	}
	return facts
}

func detailFact(texts lang.Texts, item string) Fact {
	if key, found := detailPhrases[item]; found {
		return Fact{Value: texts.MustText(key)}
	}
	for _, label := range detailLabels {
		value, found := strings.CutPrefix(item, label.begins)
		if !found || value == "" {
			continue
		}
		fact := Fact{Label: texts.MustText(label.key), Value: value}
		if label.key == "browser" {
			fact.Value = useragent.Localize(value, texts.Lang)
		}
		if at, err := time.Parse(time.RFC3339, value); err == nil && label.key == "until" {
			fact.Value, fact.At = "", at
		}
		for _, word := range detailValues[label.key] {
			if value == word {
				fact.Value = texts.MustText(label.key + "." + strings.ReplaceAll(word, " ", "_"))
			}
		}
		if before, after, changed := strings.Cut(value, " → "); changed {
			fact.Value = detailList(texts, before) + " → " + detailList(texts, after)
		}
		return fact
	}
	return Fact{Value: DescribeFailure(texts.Lang, item)}
}

// detailList returns one side of a change. describeEdit writes "none" for an empty list.
func detailList(texts lang.Texts, list string) string {
	if list == none {
		return texts.MustText("none")
	}
	return list
}

// DescribeDetail returns the detail of an event as one line in a language. format formats times.
func DescribeDetail(language, detail string, format func(time.Time) string) string {
	colon, between := ": ", "; "
	if language == lang.Chinese {
		colon, between = "：", "；"
	}
	var items []string
	for _, fact := range DetailFacts(language, detail) {
		text := fact.Value
		if !fact.At.IsZero() {
			text = format(fact.At)
		}
		if fact.Label != "" {
			text = fact.Label + colon + text
		}
		items = append(items, text)
	}
	return strings.Join(items, between)
}
