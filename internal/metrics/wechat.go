package metrics

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/weigate/weigate/wechat"
)

// result returns the label of one attempt: "ok", an errcode, or a word for the problem of the
// response.
func result(c wechat.Call) string {
	switch {
	case c.Code != 0 && slices.Contains(errcodes(), c.Code):
		return strconv.Itoa(c.Code)
	case c.Code != 0:
		return other
	case c.Err == nil:
		return "ok"
	case errors.Is(c.Err, context.Canceled):
		return "cancelled"
	case errors.Is(c.Err, context.DeadlineExceeded):
		return "timeout"
	}
	for _, shape := range []struct {
		err  error
		name string
	}{
		{wechat.ErrTransport, "no_answer"},
		{wechat.ErrHTTPStatus, "http_status"},
		{wechat.ErrNotJSON, "not_json"},
		{wechat.ErrTruncated, "truncated"},
		{wechat.ErrEmpty, "empty"},
		{wechat.ErrTooLarge, "too_large"},
		{wechat.ErrNoOpenID, "no_openid"},
		{wechat.ErrOtherOpenID, "other_openid"},
		{wechat.ErrNoToken, "no_token"},
	} {
		if errors.Is(c.Err, shape.err) {
			return shape.name
		}
	}
	return other
}

// errcodes returns the codes that WeChat's documentation names for the login endpoints, and those
// that users report there.
func errcodes() []int {
	return []int{-1, 10015, 40001, 40002, 40003, 40013, 40014, 40029, 40030, 40066, 40125, 40163, 40164, 40226, 41001,
		41002, 41003, 41004, 41008, 41009,
		41018, 42001, 42002, 42003, 42007, 43001, 43002, 43003, 45009, 45011, 48001, 48004, 48017, 50001, 50002, 61004, 61007,
		61010}
}
