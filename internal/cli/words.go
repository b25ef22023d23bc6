package cli

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// This file has the Chinese names of values such as "pending". English output has the values
// themselves, which flags, the API and --json use. The pages for administrators have the same
// Chinese names, and a test compares them.

//go:embed texts/words.zh-CN.json
var wordsFile []byte

var chineseWords = sync.OnceValue(func() map[string]string {
	words := map[string]string{}
	if err := json.Unmarshal(wordsFile, &words); err != nil {
		panic(fmt.Sprintf("texts/words.zh-CN.json: %v", err)) // a test reads the file
	}
	return words
})

// word returns a value in the language of the terminal. group is the kind of the value, such as "status".
// Values without a translation are returned unchanged.
func (s *invocation) word(group, value string) string { return s.out.word(group, value) }

func (p printer) word(group, value string) string {
	if p.texts != nil {
		if text, found := chineseWords()[group+"."+value]; found {
			return text
		}
	}
	return value
}

// actor returns who made a change: a user id, the command line, or an API key.
func (s *invocation) actor(id string) string {
	if key, ok := strings.CutPrefix(id, gateway.ActorKeyPrefix); ok && s.language() == lang.Chinese {
		return "API 密钥 " + key
	}
	return s.word("actor", id)
}
