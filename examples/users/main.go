// Command users is an app with users of its own. It links the openids and unionids of WeChat to
// these users, and keeps users and sessions in one SQL database. Several replicas can run behind a
// proxy. users.go links users, app.go has the app, and this file starts it.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/login/sqlstore"
	"github.com/weigate/weigate/wechat"
)

// settings are the command's flags.
type settings struct {
	addr, url, sim, appID string
	database              string
	key                   []byte
}

func main() {
	var s settings
	flag.StringVar(&s.addr, "addr", "127.0.0.1:8080", "address to listen on")
	flag.StringVar(&s.url, "url", "", `public URL of the app; "" is http:// and -addr`)
	flag.StringVar(&s.sim, "sim", "http://127.0.0.1:8090", `address of weigate sim; "" is WeChat itself`)
	flag.StringVar(&s.appID, "appid", "wx0123456789abcdef", "appid of the official account; its secret is WECHAT_SECRET")
	flag.StringVar(&s.database, "db", "users.db", "file of an SQLite database, or postgres:// and an address")
	flag.Parse()
	s.key = []byte(os.Getenv("LOGIN_KEY")) // 32 random bytes, the same in all replicas
	if s.url == "" {
		s.url = "http://" + s.addr
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		log.Fatal(err)
	}
}

// run serves the app until ctx is cancelled.
func run(ctx context.Context, s settings) error {
	driver, dialect, address := "sqlite", sqlstore.SQLite, s.database
	if strings.HasPrefix(s.database, "postgres://") {
		driver, dialect = "pgx", sqlstore.PostgreSQL
	} else {
		// A transaction takes the write lock when it begins (_txlock), and waits for the lock for
		// up to five seconds (busy_timeout).
		address += "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_txlock=immediate"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		return err
	}
	defer db.Close()
	sign, err := newSignIn(ctx, s, db, dialect)
	if err != nil {
		return err
	}
	a := &app{sign: sign, db: db, name: s.addr}
	server := &http.Server{Addr: s.addr, Handler: a.handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		wait, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Shutdown(wait)
	}()
	log.Printf("open %s", s.url)
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// newSignIn returns the sign-in handler, with sessions in the app's database.
func newSignIn(ctx context.Context, s settings, db *sql.DB, dialect sqlstore.Dialect) (*login.Handler, error) {
	store, err := sqlstore.Open(ctx, db, dialect) // with Store below: sessions survive a restart
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	users := &Users{DB: db, Sessions: store}
	if err := users.CreateTables(ctx); err != nil {
		return nil, err
	}
	config := login.Config{
		URL: s.url, Keys: [][]byte{s.key}, Store: store, OnSignIn: users.OnSignIn,
		OfficialAccount: &wechat.Client{
			AppID: s.appID, Secret: wechat.Secret(os.Getenv("WECHAT_SECRET")), OpenURL: s.sim, APIURL: s.sim,
		},
	}
	if s.sim != "" { // every browser is treated as WeChat's
		config.AnyBrowser = true
		config.AvatarHosts = []string{s.sim}
	}
	return login.New(config)
}
