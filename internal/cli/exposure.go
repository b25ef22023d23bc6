package cli

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/filemode"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/origin"
)

// exposure is a setting of the machine or the network that is probably wrong: it gives others more
// access to the gateway than they need, or keeps browsers out. The gateway starts anyway, because a
// container or a firewall can make the setting right.
type exposure struct {
	message string       // of the log line
	subject string       // the path or address with the setting; "" = the process
	reason  string       // why the setting matters
	advice  lang.Message // what to do
}

// exposures returns the exposures of a configuration. path is the path of its file.
func exposures(path string, conf *config.Config) (all []exposure) {
	if isReachable(conf.Listen) && len(conf.TrustedProxies) == 0 && !conf.TLS.Enabled() {
		all = append(all, exposure{
			message: "listener reachable without TLS", subject: conf.Listen,
			reason: "other machines can connect, and codes and cookies cross the network unencrypted",
			advice: lang.Text("set tls, or listen on 127.0.0.1 behind a reverse proxy with TLS, or list its address in " +
				"trusted_proxies"),
		})
	}
	if conf.TLS.Enabled() && !isReachable(conf.Listen) {
		all = append(all, exposure{
			message: "listener with TLS reachable from this machine only", subject: conf.Listen,
			reason: "browsers of other machines cannot connect",
			advice: lang.Text(`set listen to the public port, such as ":443"`),
		})
	}
	files := []string{path}
	if file, ok := conf.StoreFile(); ok {
		files = append(files, file)
		all = append(all, exposedDatabase(file)...)
	}
	if conf.MasterKey == "" {
		files = append(files, conf.MasterKeyFile)
	}
	var folders []string
	for _, file := range files {
		if folder := filepath.Dir(file); filemode.WritableByAll(folder) && !slices.Contains(folders, folder) {
			folders = append(folders, folder)
			all = append(all, exposure{
				message: "folder writable by all users", subject: folder,
				reason: "any user of this machine can put another configuration, database or master key in it",
				advice: lang.Text("move the files to a folder of the gateway's user: chmod 700"),
			})
		}
	}
	return all
}

// isReachable reports whether other machines can connect to an address to listen on.
func isReachable(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && !origin.IsLoopback(host)
}

// exposedDatabase checks the mode of the database file. The gateway creates the file with mode
// 0600, but a restored copy may have another mode.
func exposedDatabase(path string) []exposure {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	const hasSecrets = true // so that Check also rejects a file that all users can read
	if err := filemode.Check(path, info, hasSecrets); err != nil {
		return []exposure{{
			message: "database exposed to other users", subject: path,
			reason: "it contains users, openids and the hashes of sessions",
			advice: lang.Text("%s %s", err, filemode.Quote(path)), // err ends with a chmod command without the path
		}}
	}
	return nil
}

// rootExposure returns an exposure if uid is the user id of root. uid is the user id of the
// process.
func rootExposure(uid int) []exposure {
	if uid != 0 {
		return nil
	}
	return []exposure{{
		message: "process runs as root",
		reason:  "an attacker who finds an error in the gateway controls the whole machine",
		advice:  lang.Text("start it as a user of its own, which owns only the folder of the database"),
	}}
}

// logExposures writes one log line for each exposure.
func logExposures(log *slog.Logger, all []exposure) {
	for _, e := range all {
		attributes := []any{"reason", e.reason, "advice", e.advice.String()}
		if e.subject != "" {
			attributes = append([]any{"subject", e.subject}, attributes...)
		}
		log.Warn(e.message, attributes...)
	}
}

// printExposures prints a warning for each exposure.
func printExposures(p printer, all []exposure) {
	for _, e := range all {
		p.warnf("%s (%s): %s; %s", p.texts.Translate(e.message), e.subject, p.texts.Translate(e.reason), e.advice)
	}
}
