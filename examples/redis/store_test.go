package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	redisstore "github.com/weigate/weigate/examples/redis"
	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/login/storetest"
)

// server is a Redis or Valkey server that ends with the test.
type server struct {
	t       *testing.T
	program string
	dir     string
	address string
	cmd     *exec.Cmd
}

func startServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir()}
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			s.program = path
		}
	}
	if s.program == "" {
		t.Fatal("neither redis-server nor valkey-server is installed: run build/deps.sh")
	}
	s.address = fixture.Address(t)
	s.run()
	t.Cleanup(s.kill)
	return s
}

// run starts the server and waits until it answers.
func (s *server) run() {
	s.t.Helper()
	_, port, _ := strings.Cut(s.address, ":")
	s.cmd = exec.Command(s.program, "--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "",
		"--appendonly", "yes")
	s.cmd.SysProcAttr = fixture.ChildAttributes()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: s.address})
	defer client.Close()
	for deadline := time.Now().Add(time.Minute); ; {
		err := client.Ping(context.Background()).Err()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s does not answer: %v", s.program, err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// kill ends the server at once, as a power failure does.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // an error means that it has ended already
	_ = s.cmd.Wait()
}

func (s *server) client() *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: s.address, MaxRetries: -1})
	s.t.Cleanup(func() { client.Close() })
	return client
}

func start() time.Time { return time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC) }

func session(subject string) login.Session {
	return login.Session{Subject: subject, OpenID: "o", AppID: "wx", SignedInAt: start(),
		ExpiresAt: start().Add(time.Hour)}
}

func TestStoretestOnRedis(t *testing.T) {
	t.Parallel()
	client := startServer(t).client()
	storetest.Run(t, func(t *testing.T) login.Store {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		return redisstore.New(client)
	})
}

// Users see "try again in a moment" while the server is down, and are still signed in afterwards.
func TestSessionsSurviveTheDeathOfTheServer(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	client := s.client()
	if err := client.ConfigSet(t.Context(), "appendfsync", "always").Err(); err != nil {
		t.Fatal(err)
	}
	store := redisstore.New(client)
	if err := store.CreateSession(t.Context(), "a", session("alice"), start()); err != nil {
		t.Fatal(err)
	}
	s.kill()
	if _, err := store.Session(t.Context(), "a", start()); !errors.Is(err, login.ErrUnavailable) {
		t.Errorf("without the server: %v, want ErrUnavailable", err)
	}
	_, _, err := store.BeginAttempt(t.Context(), login.Attempt{ID: "f"}, start())
	if !errors.Is(err, login.ErrUnavailable) {
		t.Errorf("without the server: %v, want ErrUnavailable", err)
	}
	s.run()
	if have, err := store.Session(t.Context(), "a", start()); err != nil || have.Subject != "alice" {
		t.Errorf("after the restart: %+v, %v", have, err)
	}
}

// Nothing has to be swept: made-up codes and old sessions free their memory.
func TestEveryKeyExpires(t *testing.T) {
	t.Parallel()
	client := startServer(t).client()
	store := redisstore.New(client)
	for i := range 3 {
		a := login.Attempt{ID: fmt.Sprint(i), Code: "c", Owner: "o", Lease: start().Add(15 * time.Second),
			Expires: start().Add(20 * time.Minute)}
		if _, _, err := store.BeginAttempt(t.Context(), a, start()); err != nil {
			t.Fatal(err)
		}
		if err := store.CreateSession(t.Context(), a.ID, session("alice"), start()); err != nil {
			t.Fatal(err)
		}
	}
	out := login.Outcome{Kind: login.OutcomeCodeRefused, At: start()}
	if err := store.FinishAttempt(t.Context(), "0", "o", out, start()); err != nil {
		t.Fatal(err)
	}
	u := login.SessionUpdate{ExpiresAt: start().Add(5 * time.Hour)}
	if err := store.UpdateSession(t.Context(), "0", u, start()); err != nil {
		t.Fatal(err)
	}
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != 7 {
		t.Fatalf("%d keys (%v), want 3 attempts, 3 sessions and a user: %q", len(keys), err, keys)
	}
	for key, want := range map[string]time.Duration{
		"{login}:attempt:0": 2 * time.Minute, "{login}:attempt:1": 20 * time.Minute,
		"{login}:session:0": 5 * time.Hour, "{login}:session:1": time.Hour,
	} {
		if have := client.PTTL(t.Context(), key).Val(); have > want+2*time.Second || have < want-time.Minute {
			t.Errorf("%s expires in %v, want %v", key, have, want)
		}
	}
	for _, key := range keys {
		if client.PTTL(t.Context(), key).Val() <= 0 {
			t.Errorf("%s never expires", key)
		}
		if !strings.Contains(key, "{login}") {
			t.Errorf("%s may be in another slot of a cluster", key)
		}
	}
	if have := client.PTTL(t.Context(), keyOfUser(keys)).Val(); have < 4*time.Hour {
		t.Errorf("the list of the user expires in %v, before a session in it", have)
	}
}

func keyOfUser(keys []string) string {
	for _, key := range keys {
		if strings.Contains(key, ":user:") {
			return key
		}
	}
	return ""
}
