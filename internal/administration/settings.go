package administration

import (
	"strings"

	"github.com/weigate/weigate/internal/lang"
)

// settingTexts are the keys of the texts for values of settings.
var settingTexts = []string{
	"secret.configured", "access.users", "access.openids", "access.unionids", "access.groups", "access.nobody",
	"access.between",
}

// DescribeSetting returns the value of a setting for people who read a language. The API has the value
// itself. Most values are words of the configuration, ids and addresses, which no language changes.
func DescribeSetting(language string, s Setting) string {
	if language == lang.English {
		return s.Value
	}
	texts := catalogue.In(language)
	switch s.Key {
	case "secret":
		if n, found := strings.CutSuffix(s.Value, " configured"); found {
			return texts.MustText("secret.configured", "n", n)
		}
	case "access":
		var parts []string
		for _, part := range strings.Split(s.Value, "; ") {
			parts = append(parts, describeList(texts, part))
		}
		return strings.Join(parts, texts.MustText("access.between"))
	}
	return s.Value
}

// describeList returns a list of an access rule: "users: 2", or a rule that has no list, such as
// "signed_in".
func describeList(texts lang.Texts, part string) string {
	what, value, isList := strings.Cut(part, ": ")
	switch {
	case isList && texts.Has("access."+what):
		return texts.MustText("access."+what, "n", value)
	case part == "nobody":
		return texts.MustText("access.nobody")
	}
	return part
}
