package push_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/weigate/weigate/wechat/push"
)

// The server of a test account, which has no encryption. A real account has an AESKey instead of
// PlaintextWithoutProtection.
func Example() {
	handler, err := push.New(push.Config{
		Token:                      "pamtest",
		PlaintextWithoutProtection: true,
		Handle: func(_ context.Context, m push.Message) (push.Reply, error) {
			switch {
			case m.Type == push.TypeText:
				fmt.Println("text:", m.Content)
				return push.Reply{Text: "Thank you"}, nil
			case m.Event == push.EventSubscribe:
				fmt.Println("a new follower, from the QR code", m.Scene())
				return push.Reply{Text: "Welcome"}, nil
			}
			return push.Reply{}, nil // the person sees nothing
		},
		Now: clock, // only for this example: the push below is from 2023
	})
	if err != nil {
		log.Fatal(err)
	}

	// What WeChat sends.
	handler.ServeHTTP(httptest.NewRecorder(), follow())
	handler.ServeHTTP(httptest.NewRecorder(), hello())
	// Output:
	// a new follower, from the QR code poster
	// text: hello
}
