package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/filemode"
	"github.com/weigate/weigate/internal/gateway"
)

// storeRetry is the pause between two attempts to reach PostgreSQL at the start.
const storeRetry = time.Second

// openServing opens the store for "weigate serve", and migrates it. If PostgreSQL cannot be
// reached, openServing tries again for the duration wait, because the database may still be
// starting after a boot. A migration has no time limit: extendStart tells systemd to wait.
func openServing(s *invocation, conf *config.Config, o app.StoreOptions, wait time.Duration) (gateway.Store, error) {
	defer extendStart("opening the store")()
	if err := refuseForeignStore(conf); err != nil {
		return nil, err
	}
	o.BeforeMigrate = beforeMigration(s, conf)
	end := time.Now().Add(wait)
	for attempt := 1; ; attempt++ {
		store, err := app.OpenStore(s.ctx, conf.Store, o)
		switch {
		case err == nil:
			return store, nil
		case !app.StoreMayBeStarting(err) || time.Now().After(end):
			return nil, downgradeHint(unwritableHint(storeError(conf, err), conf), conf)
		case attempt == 1:
			s.out.warnf("%s; trying again for %s", storeError(conf, err), wait)
		}
		select {
		case <-s.ctx.Done():
			return nil, storeError(conf, s.ctx.Err())
		case <-time.After(storeRetry):
		}
	}
}

// unwritableHint adds a hint to an error if this process may not write to the folder of the
// database: which user runs the process, and the command that corrects the owner of the folder. In
// a container, a folder of the host often belongs to root, and the image has another user
// (pocket-id/pocket-id#680, #1493).
func unwritableHint(err error, conf *config.Config) error {
	file, isFile := conf.StoreFile()
	if !isFile || !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
		return err
	}
	dir, uid := filepath.Dir(file), os.Getuid()
	if errors.Is(err, syscall.EROFS) {
		return withHint(err, "%s is on a read-only file system: mount a volume there that user %d can write", dir, uid)
	}
	return withHint(err, "user %d cannot write to %s: chown -R %d:%d %s (for a folder mounted into a container, "+
		"on the host; or start the container as the owner of the folder, with --user)", uid, dir, uid, os.Getgid(),
		filemode.Quote(dir))
}

// warnIgnoredIDs warns if PUID or PGID differ from the ids of the process. Images that start as
// root and then change their user read these variables. This program ignores them, which would go
// unnoticed (pocket-id/pocket-id#1000).
func warnIgnoredIDs(s *invocation, uid, gid int) {
	puid, pgid := s.getenv("PUID"), s.getenv("PGID")
	if ignored := puid != "" && puid != strconv.Itoa(uid) || pgid != "" && pgid != strconv.Itoa(gid); !ignored {
		return
	}
	s.out.warnf("PUID and PGID have no effect, the process runs as %d:%d: start the container with "+
		"--user UID:GID (in compose.yaml, user: \"UID:GID\")", uid, gid)
}
