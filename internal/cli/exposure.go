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
		all = append(all, foreignFiles(conf.MasterKeyFile)...)
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

// foreignFiles returns an exposure for each file that exists and belongs to another user, who can
// change it.
func foreignFiles(paths ...string) (all []exposure) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if owner, foreign := filemode.Foreign(path, info); foreign {
			all = append(all, exposure{
				message: "file of another user", subject: path,
				reason: "its owner can change it, and lead users elsewhere or decrypt the gateway's secrets",
				advice: lang.Text("it belongs to the user %d: if you did not put it there, delete it; otherwise chown it to root "+
					"or to the gateway's user", owner),
			})
		}
	}
	return all
}

// refuseForeignStore returns an error if a file of the SQLite database belongs to another user of the
// machine. Only the gateway creates these files. So another user has put them there, perhaps with
// an administrator in the database.
func refuseForeignStore(conf *config.Config) error {
	path, isFile := conf.StoreFile()
	if !isFile {
		return nil
	}
	for _, file := range storeFiles(path) {
		info, err := os.Lstat(file)
		if err != nil {
			continue // when it opens the store, the gateway reports any other error
		}
		if owner, foreign := filemode.Foreign(file, info); foreign {
			err := lang.Errorf("%s belongs to the user %d, not to the user %d, who runs this, or to root",
				file, owner, os.Geteuid())
			return withHint(storeError(conf, err),
				"if you did not put it there, delete it; otherwise chown it to the gateway's user")
		}
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
	format := "%s (%s): %s; %s"
	if p.texts != nil {
		format = "%s（%s）：%s；%s"
	}
	for _, e := range all {
		p.warnf(format, p.texts.Translate(e.message), e.subject, p.texts.Translate(e.reason), e.advice)
	}
}
