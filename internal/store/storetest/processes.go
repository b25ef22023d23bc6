package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
)

// The environment variables of a worker process.
const (
	workEnv    = "WEIGATE_STORETEST_WORK"    // redeem or signin
	addressEnv = "WEIGATE_STORETEST_ADDRESS" // of the database
	userEnv    = "WEIGATE_STORETEST_USER"    // a user id
)

// Worker turns this process into a worker process, if the environment variables of a worker are
// set. Then it does not return. TestMain calls Worker first, because the suite starts workers by
// running its own test binary. open opens the database at an address (Database.Address).
//
// A worker prints "ready" when it has opened the database, and starts its work when it reads a
// line.
func Worker(open func(ctx context.Context, address string) (gateway.Store, error)) {
	work := os.Getenv(workEnv)
	if work == "" {
		return
	}
	ctx := context.Background()
	store, err := open(ctx, os.Getenv(addressEnv))
	if err == nil {
		err = runWorker(ctx, store, work)
		store.Close()
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// runWorker executes the work of a worker process.
func runWorker(ctx context.Context, store gateway.Store, work string) error {
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	switch work {
	case "redeem":
		return redeemAll(ctx, store, os.Stdout)
	case "signin":
		return signInRepeatedly(ctx, store, os.Getenv(userEnv))
	}
	return fmt.Errorf("no such work: %q", work)
}

// contestedRows is the number of codes, of attempts and of tickets for which two processes compete.
const contestedRows = 200

// redeemAll tries to redeem every code and ticket and to begin every attempt. It prints a line for
// each success.
func redeemAll(ctx context.Context, store gateway.Store, out io.Writer) error {
	for i := range contestedRows {
		name := fmt.Sprint("g", i)
		issue := newIssue(name)
		issue.Access.Hash = hash(fmt.Sprint("access ", name, os.Getpid()))
		if _, err := store.Redeem(ctx, hash("code "+name), noon, issue); err == nil {
			fmt.Fprintln(out, "code", i)
		} else if !errors.Is(err, gateway.ErrReplay) {
			return err
		}
		_, won, err := store.BeginAttempt(ctx, newAttempt(name, "code", fmt.Sprint(os.Getpid()), 0), noon)
		if err != nil {
			return err
		}
		if won {
			fmt.Fprintln(out, "attempt", i)
		}
		ticket := newTicket(name)
		if _, err := store.RedeemTicket(ctx, newRedemption(ticket.Hash, ticket.Desktop, noon)); err == nil {
			fmt.Fprintln(out, "ticket", i)
		} else if !errors.Is(err, gateway.ErrReplay) {
			return err
		}
	}
	return nil
}

// signInRepeatedly stores sessions, codes and tokens until the process is killed. It prints the
// number of each sign-in after storing it.
func signInRepeatedly(ctx context.Context, store gateway.Store, userID string) error {
	for i := 0; ; i++ {
		name := fmt.Sprint("s", i)
		if err := store.PutSession(ctx, newSession(userID, name), noon); err != nil {
			return err
		}
		if err := store.PutCode(ctx, newCode(userID, "wiki", name)); err != nil {
			return err
		}
		if _, err := store.Redeem(ctx, hash("code "+name), noon, newIssue(name)); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// worker is a second process on the same database.
type worker struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// startWorker starts a worker process and waits until it has opened the database.
func (f *fixture) startWorker(work, userID string) *worker {
	f.t.Helper()
	exe, err := os.Executable()
	wantNoError(f.t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), workEnv+"="+work, addressEnv+"="+f.db.Address, userEnv+"="+userID)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	wantNoError(f.t, err)
	out, err := cmd.StdoutPipe()
	wantNoError(f.t, err)
	wantNoError(f.t, cmd.Start())
	w := &worker{cmd, in, bufio.NewScanner(out)}
	f.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if !w.out.Scan() || w.out.Text() != "ready" {
		f.t.Fatalf("a worker wrote %q", w.out.Text())
	}
	return w
}

// start makes the worker start its work.
func (w *worker) start(t testing.TB) {
	t.Helper()
	if _, err := io.WriteString(w.in, "go\n"); err != nil {
		t.Fatal(err)
	}
}

// processCases test two processes on one database, like two replicas of a gateway. The second
// process is this test binary, which Worker turns into a worker process.
var processCases = []testCase{
	{
		name:       "of two processes one redeems each code",
		reason:     "two replicas can get the same code at the same time",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			if f.SingleHandle {
				f.secondHandle() // tests only that a second handle is another database
				return
			}
			userID := f.addUser("o1").ID
			for i := range contestedRows {
				wantNoError(t, f.store.PutCode(t.Context(), newCode(userID, "wiki", fmt.Sprint("g", i))))
				f.addApprovedTicket(fmt.Sprint("g", i), userID)
			}
			workers := []*worker{f.startWorker("redeem", ""), f.startWorker("redeem", "")}
			for _, process := range workers {
				process.start(t)
			}
			got := map[string]int{}
			for _, process := range workers {
				for process.out.Scan() {
					got[process.out.Text()]++
				}
				if err := process.Wait(); err != nil {
					t.Fatalf("a worker failed: %v (%v)", err, got)
				}
			}
			wantEqual(t, "codes, attempts and tickets", len(got), 3*contestedRows)
			for what, times := range got {
				if times != 1 || strings.HasPrefix(what, "error") {
					t.Fatalf("%s was won %d times", what, times)
				}
			}
		},
	},
	{
		name:       "a confirmed write survives a killed process",
		reason:     "a user who saw the page after the sign-in must be signed in after the crash",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			if f.SingleHandle {
				f.secondHandle() // tests only that a second handle is another database
				return
			}
			userID := f.addUser("o1").ID
			process := f.startWorker("signin", userID)
			process.start(t)
			last := -1
			for process.out.Scan() {
				number, err := strconv.Atoi(process.out.Text())
				if err != nil {
					t.Fatalf("a worker wrote %q", process.out.Text())
				}
				last = number
				if last == 100 {
					wantNoError(t, process.Process.Kill())
				}
			}
			_ = process.Wait()
			if last < 100 {
				t.Fatalf("the worker ended at %d", last)
			}
			if !f.reopen() {
				t.Fatal("the database ended with its handle")
			}
			for i := range last + 1 {
				name := fmt.Sprint("s", i)
				f.getSession(hash(name), noon)
				if _, _, err := f.store.Token(t.Context(), hash("access "+name), noon); err != nil {
					t.Fatalf("token %d of %d: %v", i, last, err)
				}
				if _, err := f.store.Redeem(t.Context(), hash("code "+name), noon,
					newIssue("again "+name)); errorName(err) != "replay" {
					t.Fatalf("code %d of %d is good again: %v", i, last, err)
				}
			}
			// The worker may have been killed during sign-in last+1. Each write of this sign-in is
			// stored completely or not at all.
			name := fmt.Sprint("s", last+1)
			if code, err := f.store.Code(t.Context(), hash("code "+name)); err == nil {
				_, _, err := f.store.Token(t.Context(), hash("access "+name), noon)
				wantEqual(t, "a code without a redemption has no token", err != nil, code.RedeemedAt.IsZero())
			}
		},
	},
}
