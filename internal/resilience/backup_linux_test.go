package resilience_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/wechat/wechattest"
)

// settled is a user whose sign-in has ended, with the tokens that the app got.
type settled struct {
	user   *user
	tokens tokens
}

// maxInProgress bounds the sign-ins of a steadyLoad that are in progress. On a machine that cannot
// serve so many a second, a sign-in then begins when another one has ended.
const maxInProgress = 200

// steadyLoad begins a sign-in of a new user perSecond times a second, at most maxInProgress at once.
type steadyLoad struct {
	stop context.CancelFunc
	all  sync.WaitGroup

	mu      sync.Mutex
	arrived *sync.Cond
	done    []settled
	longest time.Duration
}

// signInSteadily begins the load. Its users are new at WeChat.
func (w *clusterFixture) signInSteadily(t *testing.T) *steadyLoad {
	transport := newTransport()
	ctx, stop := context.WithCancel(t.Context())
	l := &steadyLoad{stop: stop}
	l.arrived = sync.NewCond(&l.mu)
	l.all.Go(func() {
		tick := time.NewTicker(time.Second / perSecond)
		defer tick.Stop()
		inProgress := make(chan struct{}, maxInProgress)
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			select {
			case <-ctx.Done():
				return
			case inProgress <- struct{}{}:
			}
			if err := w.wx.AddPerson(wechattest.Person{ID: userID(i), Nickname: fmt.Sprint("User ", i)}); err != nil {
				t.Error(err)
				return
			}
			p := w.newUser(i, transport)
			p.patient = true
			l.all.Go(func() {
				defer func() { <-inProgress }()
				began := time.Now()
				if err := p.signIn(t.Context()); err != nil {
					t.Errorf("%s: %v", p.id, err)
				}
				l.mu.Lock()
				defer l.mu.Unlock()
				l.done = append(l.done, settled{p, p.latest})
				l.longest = max(l.longest, time.Since(began))
				l.arrived.Broadcast()
			})
		}
	})
	t.Cleanup(l.end)
	return l
}

// more waits until n more users have signed in, and returns all who have.
func (l *steadyLoad) more(n int) []settled {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n += len(l.done); len(l.done) < n; {
		l.arrived.Wait()
	}
	return slices.Clone(l.done)
}

// end begins no more sign-ins, and waits for those that have begun.
func (l *steadyLoad) end() {
	l.stop()
	l.all.Wait()
}

// Fifty users a second sign in while the database is backed up and while the gateway is upgraded. The
// backup, restored elsewhere, has every user, session, grant and key from before it began, and they
// work: no user sees WeChat again, no app loses its tokens. The same holds after the upgrade, and for
// the older version with the backup that the upgrade has made.
func TestBackupAndUpgradeWhilePeopleSignIn(t *testing.T) {
	t.Parallel()
	next, err := nextProgram()
	if err != nil {
		t.Fatal(err)
	}
	w := newFixture(t, onSQLite, keys.ES256, 0, 1)
	dir := filepath.Dir(w.config)
	load := w.signInSteadily(t)

	beforeBackup := load.more(perSecond)
	file, began := filepath.Join(dir, "backup.jsonl.gz"), time.Now()
	rows := rowsOf(t, command(t, "backup", "-c", w.config, "--json", file))
	took := time.Since(began)
	afterBackup := load.more(perSecond)

	old := w.oldest()
	beforeUpgrade := load.more(0)
	w.proxy.remove(old.Host)
	if err := old.Stop(); err != nil {
		t.Errorf("weigate serve did not stop well: %v", err)
	}
	newer := serveWith(t, next, w.config)
	w.proxy.add(newer.Host)
	load.more(perSecond)
	load.end()
	after := load.more(0)
	t.Logf("%d users before the backup, %d before the upgrade, %d in all; backup of %d users in %s; longest sign-in %s",
		len(beforeBackup), len(beforeUpgrade), len(after), rows["users"], took, load.longest)
	w.wantUsable(t, "after the upgrade", after)
	w.proxy.remove(newer.Host)
	if err := newer.Stop(); err != nil {
		t.Errorf("the newer weigate serve did not stop well: %v", err)
	}

	automatic, err := filepath.Glob(filepath.Join(dir, "weigate.db.before-upgrade-of-*.jsonl.gz"))
	if err != nil || len(automatic) != 1 {
		t.Fatalf("backups of the upgrade: %q, %v", automatic, err)
	}
	wantPrivate(t, dir)
	if len(afterBackup) < len(beforeBackup)+perSecond || rows["users"] < int64(len(beforeBackup)) {
		t.Errorf("backup of %v", rows)
	}
	w.wantRestored(t, "the backup, elsewhere", file, beforeBackup)
	// The older program refuses the database of the newer one, and works with the backup.
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "serve", "-c", w.config).CombinedOutput()
	if err == nil || !strings.Contains(string(out), automatic[0]) {
		t.Errorf("the older version: %v\n%s", err, out)
	}
	w.wantRestored(t, "back to the older version", automatic[0], beforeUpgrade)
}

// rowsOf returns the number of rows of each table from the JSON of a backup or a restore.
func rowsOf(t *testing.T, out string) map[string]int64 {
	t.Helper()
	var answer struct {
		Rows map[string]int64 `json:"rows"`
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return answer.Rows
}

// wantRestored restores a backup into another folder with the same configuration and master key, and
// checks that the users from before the backup can continue there.
func (w *clusterFixture) wantRestored(t *testing.T, name, backup string, users []settled) {
	t.Helper()
	from, dir := filepath.Dir(w.config), t.TempDir()
	config := filepath.Join(dir, "weigate.yaml")
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(from, "weigate.key"))
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{
		config: bytes.ReplaceAll(text, []byte(from), []byte(dir)), filepath.Join(dir, "weigate.key"): key,
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rows := rowsOf(t, command(t, "restore", "-c", config, "--json", backup))
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "weigate.db"))
	if err != nil {
		t.Fatal(err)
	}
	for table, want := range rows {
		var n int64
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM "`+table+`"`).Scan(&n); err != nil || n != want {
			t.Errorf("%s: %s has %d rows, the backup %d, %v", name, table, n, want, err)
		}
	}
	var broken int
	err = db.QueryRowContext(t.Context(), `SELECT count(*) FROM pragma_foreign_key_check`).Scan(&broken)
	if err != nil || broken != 0 {
		t.Errorf("%s: %d rows refer to rows that do not exist, %v", name, broken, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"users", "identities", "sessions", "grants", "tokens"} {
		if rows[table] < int64(len(users)) {
			t.Errorf("%s: %d %s for %d users", name, rows[table], table, len(users))
		}
	}
	if rows["keys"] < 2 {
		t.Errorf("%s: %d keys", name, rows["keys"])
	}
	p := serve(t, config)
	w.proxy.add(p.Host)
	w.wantUsable(t, name, users)
	w.proxy.remove(p.Host)
	if err := p.Stop(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	wantPrivate(t, dir)
}

// wantUsable checks that the sessions, tokens and keys of users are valid, without WeChat.
func (w *clusterFixture) wantUsable(t *testing.T, name string, users []settled) {
	t.Helper()
	w.verifier.mu.Lock()
	w.verifier.keys.Keys = nil // the app fetches them again
	w.verifier.mu.Unlock()
	before, _ := w.wx.exchanges()
	runWorkers(upTo(len(users)), 8, func(i int) {
		p := users[i].user
		if subject, err := w.verify(t.Context(), p, users[i].tokens.ID); err != nil || subject != p.subject {
			t.Errorf("%s: %s: ID token of %q, %v", name, p.id, subject, err)
		}
		p.latest = users[i].tokens
		if err := p.stillIn(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
	if codes, _ := w.wx.exchanges(); codes != before {
		t.Errorf("%s: %d users were sent to WeChat again", name, codes-before)
	}
}

// wantPrivate checks that nobody else can read the files of a folder, and that none was left behind.
func wantPrivate(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]fs.FileMode{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		found[e.Name()] = info.Mode()
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %s", e.Name(), info.Mode())
		}
		if strings.Contains(e.Name(), "tmp") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
	if len(found) < 3 {
		t.Errorf("files: %v", slices.Sorted(maps.Keys(found)))
	}
}
