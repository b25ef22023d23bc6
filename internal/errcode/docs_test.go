package errcode_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/errcode"
	"github.com/weigate/weigate/internal/lang"
)

var update = flag.Bool("update", false, "write docs/*/errcodes.md")

// TestErrcodePagesAreFresh compares docs/en/errcodes.md and docs/zh-CN/errcodes.md with the texts of
// this package. "go test ./internal/errcode -update" writes the pages.
func TestErrcodePagesAreFresh(t *testing.T) {
	t.Parallel()
	for language, dir := range map[string]string{lang.English: "en", lang.Chinese: "zh-CN"} {
		path := filepath.Join("..", "..", "docs", dir, "errcodes.md")
		want := errcodePage(language)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not fresh (%v): run go test ./internal/errcode -update", path, err)
		}
	}
}

// pageTexts are the texts of the page in one language.
type pageTexts struct{ head, api, pages, columns, users string }

func textsOfPage(language string) pageTexts {
	if language == lang.Chinese {
		return pageTexts{
			head: "# 微信错误码\n\n网关、日志、[指标](metrics.md)和管理后台中会出现这些 errcode。每个 errcode 说明发生了什么、问题在哪一方、" +
				"如何处理；" +
				"`weigate check` 和管理后台的运行状况页使用同样的文字。此页由代码生成。用户看到的页面见[排错](troubleshooting.md)。",
			api: "## 微信接口返回的错误码\n\n微信对网关的请求返回这些错误码。",
			pages: "## 微信页面上的错误码\n\n微信把这些错误码显示给用户，网关收不到。因此它们不在指标中，" +
				"要由用户告知。只有 10015 也会由微信接口返回。",
			columns: "| errcode | 发生了什么 | 问题所在 | 如何处理 |\n|---|---|---|---|\n",
			users:   "其他 errcode：请在微信官方文档“全局返回码”中查询。",
		}
	}
	return pageTexts{
		head: "# WeChat's errcodes\n\nThese errcodes are in the log, the [metrics](metrics.md) and the administration. " +
			"Each row has what happened, on whose side, and what to do. `weigate check` and the health page have the same " +
			"texts. This page is generated from the code. For what users see, read [troubleshooting](troubleshooting.md).",
		api: "## Errcodes of WeChat's API\n\nWeChat answers the gateway's requests with these.",
		pages: "## Errcodes on WeChat's pages\n\nWeChat shows these to the user. The gateway receives nothing, so no " +
			"metric counts them: users report them. Only 10015 is also an answer of WeChat's API.",
		columns: "| errcode | what happened | cause | what to do |\n|---|---|---|---|\n",
		users:   "Any other errcode: look it up in WeChat's documentation, 全局返回码.",
	}
}

// errcodePage returns the page in one language.
func errcodePage(language string) string {
	texts := textsOfPage(language)
	var api, pages strings.Builder
	for _, code := range errcode.Codes() {
		e := errcode.Explain(language, code)
		table := &api
		// These are on WeChat's own pages: see the comment of package errcode.
		if code >= 10003 && code <= 10016 {
			table = &pages
		}
		fmt.Fprintf(table, "| %d | %s | %s | %s |\n", code, e.What, e.SideName, e.Do)
	}
	return texts.head + "\n\n" + texts.api + "\n\n" + texts.columns + api.String() + "\n" + texts.users + "\n\n" +
		texts.pages + "\n\n" + texts.columns + pages.String()
}
