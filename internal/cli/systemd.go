package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// This file reports the state of "weigate serve" to systemd (sd_notify(3), Type=notify). All
// functions do nothing if systemd has not started the process: NOTIFY_SOCKET is then not set.

const (
	startExtension = time.Minute      // how long systemd waits for the start after each report
	startReports   = 20 * time.Second // time between two reports
)

// notifySystemd sends assignments such as READY=1. A report that cannot be sent is lost: systemd
// then shows an older state, which must not end the gateway.
func notifySystemd(assignments ...string) {
	_, _ = daemon.SdNotify(false, strings.Join(assignments, "\n"))
}

// extendStart shows status in "systemctl status", and keeps systemd from ending the process because
// of a slow start, such as one with a migration of a large database. Call done when the slow part
// has ended.
func extendStart(status string) (done func()) {
	end := make(chan struct{})
	report := func() { notifySystemd("STATUS="+status, extendTimeout()) }
	report()
	go func() {
		ticker := time.NewTicker(startReports)
		defer ticker.Stop()
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
				report()
			}
		}
	}()
	return func() { close(end) }
}

func extendTimeout() string {
	return fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", startExtension.Microseconds())
}

// notifyReloading tells systemd that the gateway reads the configuration again. Call notifyReady
// when it has done so.
func notifyReloading() {
	notifySystemd(daemon.SdNotifyReloading, strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n"),
		"STATUS=reloading the configuration")
}

// notifyReady tells systemd that the gateway serves.
func notifyReady(status string) { notifySystemd(daemon.SdNotifyReady, "STATUS="+status) }

// notifyStopping tells systemd that the gateway finishes the requests in progress.
func notifyStopping() {
	notifySystemd(daemon.SdNotifyStopping, "STATUS=finishing the requests in progress")
}

// serveWith returns the command that starts a gateway with a configuration. The Debian package has a
// service for the one in systemFolder.
func serveWith(path string) string {
	if ofPackage(path) {
		return "systemctl start weigate"
	}
	return "weigate serve"
}

// logOf returns where the log of a gateway with a configuration is.
func logOf(path string) string {
	if ofPackage(path) {
		return "journalctl -u weigate"
	}
	return "weigate serve"
}

// ofPackage reports whether a configuration is the one of the Debian package's service.
func ofPackage(path string) bool {
	absolute, err := filepath.Abs(path)
	return err == nil && filepath.Dir(absolute) == systemFolder
}
