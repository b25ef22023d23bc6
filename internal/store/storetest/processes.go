package storetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
)

// The environment of a worker process.
const (
	workEnv    = "WEIGATE_STORETEST_WORK"    // redeem or signin
	addressEnv = "WEIGATE_STORETEST_ADDRESS" // of the database
	personEnv  = "WEIGATE_STORETEST_PERSON"  // an account
)

// Worker does the work of a second process when this process is one, and does
// not return then. TestMain calls it first. open opens the database at an
// address, as Database.Address gave it.
func Worker(open func(ctx context.Context, address string) (gateway.Store, error)) {
	work := os.Getenv(workEnv)
	if work == "" {
		return
	}
	err := func() error {
		ctx := context.Background()
		store, err := open(ctx, os.Getenv(addressEnv))
		if err != nil {
			return err
		}
		defer store.Close()
		fmt.Println("ready")
		if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
			return err
		}
		switch work {
		case "redeem":
			return redeemAll(ctx, store, os.Stdout)
		case "signin":
			return signInForEver(ctx, store, os.Getenv(personEnv))
		}
		return fmt.Errorf("no such work: %q", work)
	}()
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// codes is how many codes two processes fight for.
const codes = 200

// redeemAll tries to take every code, every claim and every ticket, and prints which it got.
func redeemAll(ctx context.Context, store gateway.Store, out io.Writer) error {
	for i := range codes {
		name := fmt.Sprint("g", i)
		issue := newIssue(name)
		issue.Access.Hash = sum(fmt.Sprint("access ", name, os.Getpid()))
		if _, err := store.Redeem(ctx, sum("code "+name), noon, issue); err == nil {
			fmt.Fprintln(out, "code", i)
		} else if w := word(err); w != "replay" {
			return err
		}
		_, won, err := store.BeginAttempt(ctx, attempt(name, "code", fmt.Sprint(os.Getpid()), 0), noon)
		if err != nil {
			return err
		}
		if won {
			fmt.Fprintln(out, "claim", i)
		}
		t := newTicket(name)
		if _, err := store.RedeemTicket(ctx, t.Hash, t.Desktop, noon); err == nil {
			fmt.Fprintln(out, "ticket", i)
		} else if w := word(err); w != "replay" {
			return err
		}
	}
	return nil
}

// signInForEver stores sessions and says after each that it is stored.
func signInForEver(ctx context.Context, store gateway.Store, user string) error {
	for i := 0; ; i++ {
		name := fmt.Sprint("s", i)
		if err := store.PutSession(ctx, newSession(user, name), noon); err != nil {
			return err
		}
		if err := store.PutCode(ctx, newCode(user, "wiki", name)); err != nil {
			return err
		}
		if _, err := store.Redeem(ctx, sum("code "+name), noon, newIssue(name)); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// worker is a second process.
type worker struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// start starts a worker and waits until it has opened the database.
func (c *cas) start(work, user string) *worker {
	c.Helper()
	exe, err := os.Executable()
	c.ok(err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), workEnv+"="+work, addressEnv+"="+c.db.Address, personEnv+"="+user)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	c.ok(err)
	out, err := cmd.StdoutPipe()
	c.ok(err)
	c.ok(cmd.Start())
	w := &worker{cmd, in, bufio.NewScanner(out)}
	c.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if !w.out.Scan() || w.out.Text() != "ready" {
		c.Fatalf("a worker said %q", w.out.Text())
	}
	return w
}

func (w *worker) begin(t testing.TB) {
	t.Helper()
	if _, err := io.WriteString(w.in, "go\n"); err != nil {
		t.Fatal(err)
	}
}

var processChecks = []check{
	{"two processes share out the codes", "replicas behind one address get the same code at once", func(c *cas) {
		if c.Alone {
			c.second()
			return
		}
		id := c.person("o1").ID
		for i := range codes {
			c.ok(c.store.PutCode(c.ctx, newCode(id, "wiki", fmt.Sprint("g", i))))
			c.approved(fmt.Sprint("g", i), id)
		}
		workers := []*worker{c.start("redeem", ""), c.start("redeem", "")}
		for _, w := range workers {
			w.begin(c)
		}
		got := map[string]int{}
		for _, w := range workers {
			for w.out.Scan() {
				got[w.out.Text()]++
			}
			if err := w.Wait(); err != nil {
				c.Fatalf("a worker failed: %v (%v)", err, got)
			}
		}
		equal(c, "codes, claims and tickets that were won", len(got), 3*codes)
		for what, n := range got {
			if n != 1 || strings.HasPrefix(what, "error") {
				c.Fatalf("%s was won %d times", what, n)
			}
		}
	}},
	{"what was answered survives a kill", "a person who saw the page is signed in after the crash", func(c *cas) {
		if c.Alone {
			c.second()
			return
		}
		id := c.person("o1").ID
		w := c.start("signin", id)
		w.begin(c)
		last := -1
		for w.out.Scan() {
			n, err := strconv.Atoi(w.out.Text())
			if err != nil {
				c.Fatalf("a worker said %q", w.out.Text())
			}
			last = n
			if last == 100 {
				c.ok(w.Process.Kill())
			}
		}
		_ = w.Wait()
		if last < 100 {
			c.Fatalf("the worker ended at %d", last)
		}
		if !c.restart() {
			c.Fatal("a database that outlives its handle does not")
		}
		for i := range last + 1 {
			name := fmt.Sprint("s", i)
			must[gateway.Session](c)(c.store.Session(c.ctx, sum(name), noon))
			if _, _, err := c.store.Token(c.ctx, sum("access "+name), noon); err != nil {
				c.Fatalf("token %d of %d: %v", i, last, err)
			}
			if _, err := c.store.Redeem(c.ctx, sum("code "+name), noon, newIssue("again "+name)); word(err) != "replay" {
				c.Fatalf("code %d of %d is good again: %v", i, last, err)
			}
		}
		// The one that was in the middle: all of it or none.
		name := fmt.Sprint("s", last+1)
		if code, err := c.store.Code(c.ctx, sum("code "+name)); err == nil {
			_, _, err := c.store.Token(c.ctx, sum("access "+name), noon)
			equal(c, "taken and token", code.RedeemedAt.IsZero(), err != nil)
		}
	}},
}
