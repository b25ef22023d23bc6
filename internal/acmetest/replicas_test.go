package acmetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/certificate"
	"github.com/weigate/weigate/internal/store/sqlite"
)

// Two processes with one store order once, and serve the same certificate. The authority connects to
// the second one only, which answers the challenge of the first.
func TestReplicasShareOneCertificate(t *testing.T) {
	t.Parallel()
	host := newHost()
	database := filepath.Join(t.TempDir(), "weigate.db")
	store, err := sqlite.Open(t.Context(), database, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+database)
	cmd.Stderr = os.Stderr
	to, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	from, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { to.Close(); cmd.Wait() }()
	lines := bufio.NewScanner(from)
	lines.Scan()
	address := lines.Text()
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatalf("the other process prints %q", address)
	}
	tlsPort, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	a := newAuthority(t, 1, tlsPort, 90*86400)
	fmt.Fprintln(to, a.directory, base64.StdEncoding.EncodeToString(a.tls), host)
	lines.Scan() // it serves now
	first := start(t, host, a, store, listen(t), nil, 0)
	first.await(t, "order", func() bool { return a.orders.Load() == 1 })
	fmt.Fprintln(to, "run")
	one := first.awaitCertificate(t)
	first.await(t, "certificate of the other process", func() bool { return served(address, host) != nil })
	if two := served(address, host); one.SerialNumber.Cmp(two.SerialNumber) != 0 {
		t.Error("the replicas serve two certificates")
	}
	if n := a.orders.Load(); n != 1 {
		t.Errorf("%d orders, want 1", n)
	}
	files, err := store.ACMEFiles(t.Context(), "")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d values, %v", len(files), err)
	}
	for _, f := range files {
		if bytes.Contains(f.Sealed, []byte("PRIVATE KEY")) {
			t.Errorf("%s is not sealed", f.Name)
		}
	}
}

// childVariable is the environment variable with the database of a replica in a process of its own.
const childVariable = "ACMETEST_DATABASE"

// child is that process. It prints its address, reads the authority, serves, reads "run", and then
// orders as well. It ends with its input.
func child(database string) {
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "replica:", err)
			os.Exit(1)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println(l.Addr())
	in := bufio.NewScanner(os.Stdin)
	in.Scan()
	fields := strings.Fields(in.Text())
	if len(fields) != 3 {
		os.Exit(1)
	}
	authorities, err := base64.StdEncoding.DecodeString(fields[1])
	must(err)
	ctx := context.Background()
	store, err := sqlite.Open(ctx, database, sqlite.Options{})
	must(err)
	sealer, err := newSealer()
	must(err)
	source, err := certificate.NewACME(ctx, certificate.ACMEConfig{
		URL: "https://" + fields[2], Host: fields[2], Directory: fields[0], CAs: authorities,
		Listen: l.Addr().String(), Store: store, Sealer: sealer, RenewInterval: 300 * time.Millisecond,
		Hooks: certificate.Hooks{Logger: slog.New(slog.DiscardHandler)},
	})
	must(err)
	server := &http.Server{TLSConfig: source.TLSConfig(), ErrorLog: log.New(io.Discard, "", 0)}
	go server.ServeTLS(l, "", "")
	fmt.Println("serves")
	in.Scan()
	go source.Run(ctx)
	in.Scan()
}
