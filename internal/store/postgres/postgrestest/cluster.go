// Package postgrestest starts a private PostgreSQL server for tests. It runs the PostgreSQL
// programs that are installed, and the server stops when the test process ends. "Cluster" is
// PostgreSQL's word for a server with its data folder.
//
// A package's TestMain calls [Main], and a test calls [URL] for an empty schema. [Start] starts a
// separate cluster that a test may kill.
//
// If WEIGATE_TEST_POSTGRES holds the address of a server, the schemas are created there instead.
// The package never skips a test: without PostgreSQL the test fails, and its message names the
// package to install.
package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/fixture"
)

// Cluster is a PostgreSQL server and its data folder.
type Cluster struct {
	dir  string   // folder with the data and the log
	bin  string   // folder with the PostgreSQL programs
	args []string // additional arguments of the server
	port int      // 0 = not chosen yet
	cmd  *exec.Cmd
	done chan struct{} // closed when all processes of the server have ended
}

// notInstalled is the message of a test that finds no PostgreSQL.
const notInstalled = "PostgreSQL is not installed (looked in /usr/lib/postgresql/*/bin and the PATH): " +
	"apt-get install postgresql-15, or set WEIGATE_TEST_POSTGRES to the address of a server"

// programs returns the folder with initdb and postgres of the newest installed version.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
		return filepath.Dir(newest), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New(notInstalled)
	}
	path, err = filepath.EvalSymlinks(path)
	return filepath.Dir(path), err
}

// version returns the version in the path of initdb: 15 for /usr/lib/postgresql/15/bin/initdb.
func version(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
}

// Start creates and starts a cluster. The server runs with fsync, which is PostgreSQL's default, so
// that benchmarks measure the disk. The caller must call Stop.
func Start(ctx context.Context) (*Cluster, error) { return start(ctx) }

// start creates and starts a cluster with additional arguments of the server.
func start(ctx context.Context, args ...string) (*Cluster, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	// The folder of a test (T.TempDir) does not work: the user that runs the server cannot read it.
	dir, err := os.MkdirTemp("", "weigate-postgres-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, bin: bin, args: args}
	if err := c.init(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := c.Run(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// init creates the data folder with initdb and writes the settings.
func (c *Cluster) init(ctx context.Context) error {
	if os.Getuid() == 0 {
		uid, gid, err := serverUser()
		if err != nil {
			return err
		}
		if err := os.Chown(c.dir, uid, gid); err != nil {
			return err
		}
	}
	// Trust every local user, and do not wait for the disk (-N).
	cmd, err := c.command(ctx, "initdb", "-D", c.data(), "-U", "weigate", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	settings := "\nlisten_addresses = '127.0.0.1'\nmax_connections = 300\nunix_socket_directories = '" + c.dir +
		"'\nlogging_collector = off\n"
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(settings)
	return errors.Join(err, f.Close())
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// serverUser returns the user that runs the server when the test runs as root, because PostgreSQL
// does not start as root.
func serverUser() (uid, gid int, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		return uid, gid, errors.Join(err1, err2)
	}
	return 0, 0, errors.New("neither a user postgres nor nobody: PostgreSQL does not run as root")
}

// command returns a command that runs a PostgreSQL program as the user of the server. On Linux the
// system kills it when this process ends.
func (c *Cluster) command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	attr, err := attributes()
	cmd.SysProcAttr = attr
	return cmd, err
}

// Run starts the server and waits until it accepts connections. A server that ran before gets its
// previous port. After a kill, the system may still be closing that port, so Run tries for a
// minute then.
func (c *Cluster) Run(ctx context.Context) error {
	restart := c.port != 0
	if !restart {
		address, _, err := fixture.ReserveAddress() // until the end of this process
		if err != nil {
			return err
		}
		port, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		c.port = int(port.Port())
	}
	var last error
	for end := time.Now().Add(time.Minute); ; {
		if last = c.run(ctx); last == nil || !restart || time.Now().After(end) {
			return last
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), last)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// run starts the server and waits until it accepts connections or has ended.
func (c *Cluster) run(ctx context.Context) error {
	cmd, err := c.command(context.WithoutCancel(ctx), "postgres",
		append([]string{"-D", c.data(), "-p", strconv.Itoa(c.port)}, c.args...)...)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	// All processes of the server inherit one end of a pipe. The other end returns io.EOF when the
	// last process has ended.
	processes, inherited, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.ExtraFiles = []*os.File{inherited}
	err = cmd.Start()
	if err = errors.Join(err, inherited.Close()); err != nil {
		return errors.Join(err, processes.Close())
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		_, _ = io.Copy(io.Discard, processes)
		_ = processes.Close()
		close(done)
	}()
	for {
		if c.ready() {
			c.cmd, c.done = cmd, done
			return nil
		}
		select {
		case <-done:
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("postgres ended:\n%s", text[max(0, len(text)-2000):])
		case <-ctx.Done():
			_ = cmd.Process.Kill()
			<-done
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ready reports whether the server accepts connections. Then line 8 of its file postmaster.pid is
// "ready".
func (c *Cluster) ready() bool {
	pid, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	lines := strings.Split(string(pid), "\n")
	return err == nil && len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"
}

// URL returns the address of the cluster's database.
func (c *Cluster) URL() string {
	return fmt.Sprintf("postgres://weigate@127.0.0.1:%d/postgres?sslmode=disable", c.port)
}

// Folder returns the folder with the data and the log of the server.
func (c *Cluster) Folder() string { return c.dir }

// Kill kills the server without a shutdown, so that it has to recover when it starts again. The
// processes of its connections end when they notice the death of their parent. Until then, they
// answer queries. Kill waits until they have ended.
func (c *Cluster) Kill() {
	if c.cmd != nil {
		_ = c.cmd.Process.Kill()
		<-c.done
		_ = os.Remove(filepath.Join(c.data(), "postmaster.pid")) // contains the id of the killed process
		c.cmd = nil
	}
}

// Stop stops the server and deletes its folder.
func (c *Cluster) Stop() error {
	if c.cmd != nil {
		_ = c.cmd.Process.Signal(os.Interrupt) // fast shutdown
		select {
		case <-c.done:
		case <-time.After(10 * time.Second):
			c.Kill()
		}
		c.cmd = nil
	}
	return os.RemoveAll(c.dir)
}
