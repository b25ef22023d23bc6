package servertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/weigate/weigate/internal/fixture"
)

// server is a MariaDB server with a data folder of its own.
type server struct {
	dir  string
	port int
	cmd  *exec.Cmd
	done chan struct{} // closed when the server has ended
}

// serverUser returns the user that runs the server when the test runs as root: MariaDB does not start
// as root.
func serverUser() (*syscall.Credential, error) {
	for _, name := range []string{"mysql", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
	}
	return nil, errors.New("there is neither a user mysql nor a user nobody")
}

// command returns a command of MariaDB that ends with this process.
func (s *server) command(name string, arguments ...string) (*exec.Cmd, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			return nil, fmt.Errorf("%s is not installed: run build/deps.sh", name)
		}
	}
	arguments = append([]string{"--no-defaults", "--datadir=" + filepath.Join(s.dir, "data")}, arguments...)
	cmd := exec.Command(path, arguments...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "TMPDIR="+s.dir) // the user of the server may not write to the test's own
	cmd.SysProcAttr = fixture.ChildAttributes()
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential, err = serverUser()
	}
	return cmd, err
}

// startMariaDB creates a data folder and starts a server.
func startMariaDB() (*server, error) {
	dir, err := os.MkdirTemp("", "weigate-mariadb-") // the user of the server cannot read T.TempDir
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.run(); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// prepare creates the data folder and chooses a port.
func (s *server) prepare() error {
	if os.Getuid() == 0 {
		owner, err := serverUser()
		if err != nil {
			return err
		}
		if err := os.Chown(s.dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	install, err := s.command("mariadb-install-db", "--auth-root-authentication-method=normal", "--skip-test-db")
	if err != nil {
		return err
	}
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	address, _, err := fixture.ReserveAddress() // until the end of this process
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	s.port, err = strconv.Atoi(port)
	return err
}

// run starts the server, on its previous port if it had one, and waits until it accepts connections.
func (s *server) run() error {
	cmd, err := s.command("mariadbd", "--port="+strconv.Itoa(s.port), "--bind-address=127.0.0.1",
		"--socket="+filepath.Join(s.dir, "socket"), "--max-connections=400", "--innodb-flush-log-at-trx-commit=2")
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.done = cmd, make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(s.done)
	}()
	db, err := sql.Open("mysql", s.dsn("", ""))
	if err != nil {
		return err
	}
	defer db.Close()
	late := time.After(2 * time.Minute)
	for {
		err := db.Ping()
		if err == nil {
			return nil
		}
		select {
		case <-s.done:
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("mariadbd ended:\n%s", text[max(0, len(text)-2000):])
		case <-late:
			return fmt.Errorf("mariadbd does not answer: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// kill ends the server at once, as a power failure does.
func (s *server) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill() // an error means that it has ended already
		<-s.done
	}
}

// remove ends the server and deletes its folder.
func (s *server) remove() {
	s.kill()
	_ = os.RemoveAll(s.dir)
}

// dsn returns the data source name of a database, with parameters of the driver.
func (s *server) dsn(database, parameters string) string {
	dsn := fmt.Sprintf("root@tcp(127.0.0.1:%d)/%s", s.port, database)
	if parameters != "" {
		dsn += "?" + parameters
	}
	return dsn
}

var (
	mariaDBOnce sync.Once
	mariaDB     *server
	mariaDBErr  error
	databases   int
	databasesMu sync.Mutex
)

// mariaDBDatabase returns the data source name of a new database on the server that the tests of this
// package share.
func mariaDBDatabase(t *testing.T, parameters string) string {
	t.Helper()
	mariaDBOnce.Do(func() { mariaDB, mariaDBErr = startMariaDB() })
	if mariaDBErr != nil {
		t.Fatal(mariaDBErr)
	}
	databasesMu.Lock()
	databases++
	name := fmt.Sprint("d", databases)
	databasesMu.Unlock()
	db, err := sql.Open("mysql", mariaDB.dsn("", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// A character set without emoji, whose comparison ignores case and accents.
	if _, err := db.Exec(`CREATE DATABASE ` + name + ` CHARACTER SET latin1 COLLATE latin1_general_ci`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db, err := sql.Open("mysql", mariaDB.dsn("", ""))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(context.Background(), `DROP DATABASE `+name); err != nil {
			t.Error(err)
		}
	})
	return mariaDB.dsn(name, parameters)
}

// silent drops the lines of the driver about connections that the tests break on purpose.
type silent struct{}

func (silent) Print(...any) {}

var _ mysql.Logger = silent{}
