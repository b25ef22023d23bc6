// Command echo is a minimal echo app with WeChat sign-in: a public page, a
// page for signed-in users, and one that also asks for nickname and avatar.
// app.go has the app; this file starts it.
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address to listen on")
	sim := flag.String("sim", "http://127.0.0.1:8090", `address of weigate sim; "" is WeChat itself`)
	appID := flag.String("appid", "wx0123456789abcdef", "appid of the official account; its secret is WECHAT_SECRET")
	flag.Parse()

	account := &wechat.Client{AppID: *appID, Secret: wechat.Secret(os.Getenv("WECHAT_SECRET")), OpenURL: *sim,
		APIURL: *sim}
	sign, err := newSignIn("http://"+*addr, account, *sim != "")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: *addr, Handler: newApp(sign), ReadHeaderTimeout: 5 * time.Second}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	go func() {
		<-ctx.Done()
		wait, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Shutdown(wait)
	}()
	log.Printf("open http://%s", *addr)
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}

// newSignIn returns the sign-in handler for an app at url. With the simulator,
// every browser is treated as WeChat's, so that a desktop browser works, and
// the simulator's avatars are shown.
//
// A restart signs all users out, because Config.Store is not set and the sessions
// are in memory: package login/sqlstore keeps them in a database, and ../users
// uses it. The key is new at each start, so a restart also ends pending sign-ins;
// in production read a fixed key.
func newSignIn(url string, account *wechat.Client, simulated bool) (*login.Handler, error) {
	key := make([]byte, 32)
	rand.Read(key)
	config := login.Config{URL: url, Keys: [][]byte{key}, OfficialAccount: account}
	if simulated {
		config.AnyBrowser = true
		config.AvatarHosts = []string{account.OpenURL}
	}
	return login.New(config)
}
