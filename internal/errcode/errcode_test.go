package errcode_test

import (
	"errors"
	"regexp"
	"slices"
	"testing"

	"github.com/weigate/weigate/internal/errcode"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/wechat"
)

var han = regexp.MustCompile(`\p{Han}`)

func TestEveryErrcodeIsExplained(t *testing.T) {
	t.Parallel()
	codes := errcode.Codes()
	if distinct := slices.Compact(slices.Clone(codes)); len(distinct) != len(codes) || len(codes) < 40 {
		t.Errorf("%d errcodes", len(codes))
	}
	for _, code := range codes {
		for _, language := range lang.All() { // Explain panics without a text
			e := errcode.Explain(language, code)
			if e.Side == "" || e.SideName == "" {
				t.Errorf("%d in %s: %+v", code, language, e)
			}
			if language == lang.Chinese && (!han.MatchString(e.What) || !han.MatchString(e.Do)) {
				t.Errorf("%d is not explained in Chinese: %+v", code, e)
			}
			if language == lang.English && han.MatchString(e.SideName) {
				t.Errorf("%d is not explained in English: %+v", code, e)
			}
		}
	}
}

// Package wechat knows an errcode if it has a class. Each has an explanation here.
func TestErrcodesOfTheLibraryAreExplained(t *testing.T) {
	t.Parallel()
	classes := []error{wechat.ErrReauthorize, wechat.ErrTokenExpired, wechat.ErrRateLimited, wechat.ErrTemporary,
		wechat.ErrConfiguration, wechat.ErrUserRestricted}
	known := 0
	for code := -1; code < 100_000; code++ {
		if code == 0 {
			continue
		}
		err := &wechat.Error{Endpoint: "access_token", Code: code}
		if !slices.ContainsFunc(classes, func(class error) bool { return errors.Is(err, class) }) {
			continue
		}
		known++
		if !slices.Contains(errcode.Codes(), code) {
			t.Errorf("%d has no explanation", code)
		}
	}
	if known < 30 {
		t.Errorf("%d known errcodes", known)
	}
}

func TestExplanationAsText(t *testing.T) {
	t.Parallel()
	const want = "The appid is missing in the request. Cause: this installation. " +
		"Check the appid of the connector, and proxies between this server and WeChat."
	if got := errcode.Explain(lang.English, 41002).Text; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	const chinese = "微信系统繁忙。问题所在：微信。一般无需处理。如果持续一小时以上，请查看公众平台的公告。"
	if got := errcode.Explain(lang.Chinese, -1).Text; got != chinese {
		t.Errorf("got %q, want %q", got, chinese)
	}
}

func TestUnknownErrcode(t *testing.T) {
	t.Parallel()
	e := errcode.Explain(lang.English, 12345)
	if e.What != "WeChat rejected the request." || e.Side != "" || e.Do == "" {
		t.Errorf("%+v", e)
	}
}
