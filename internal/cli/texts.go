package cli

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/weigate/weigate/internal/lang"
)

// This file has the Chinese texts of the command. The code has the English texts; texts/zh-CN.json maps
// each of them to its translation. A test finds texts without a translation.

//go:embed texts/zh-CN.json
var chineseFile []byte

// chinese returns the Chinese texts, by their English texts.
var chinese = sync.OnceValue(func() lang.Formats {
	formats := lang.Formats{}
	if err := json.Unmarshal(chineseFile, &formats); err != nil {
		panic(fmt.Sprintf("texts/zh-CN.json: %v", err)) // a test reads the file
	}
	return formats
})

// language returns the language of the terminal.
func (s *invocation) language() string { return lang.FromEnvironment(s.getenv) }

// formatsOf returns the texts in the language of the terminal; nil = English.
func formatsOf(getenv func(string) string) lang.Formats {
	if lang.FromEnvironment(getenv) == lang.Chinese {
		return chinese()
	}
	return nil
}
