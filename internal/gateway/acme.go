package gateway

import (
	"context"
	"time"
)

// ACMEFile is a value that the ACME client keeps: a certificate, its key, an account, a challenge.
type ACMEFile struct {
	Name      string // path with slashes, such as certificates/ca/login.example.com/login.example.com.key
	Sealed    []byte // the content, encrypted with the master key
	UpdatedAt time.Time
}

// ACMEFiles stores what the ACME client (RFC 8555) keeps. All replicas share it, so that they have
// one account and one certificate.
type ACMEFiles interface {
	// PutACMEFile stores a value, and replaces an older value with the same name.
	PutACMEFile(ctx context.Context, f ACMEFile) error

	// ACMEFile returns a value, or ErrNotFound.
	ACMEFile(ctx context.Context, name string) (ACMEFile, error)

	// ACMEFiles returns the values below a folder, sorted by name. "" is the root.
	ACMEFiles(ctx context.Context, folder string) ([]ACMEFile, error)

	// DeleteACMEFiles deletes the value with this name, and all values below the folder with this
	// name.
	DeleteACMEFiles(ctx context.Context, name string) error

	// LockACME gives owner the lock with this name until the time until. If owner has the lock
	// already, LockACME extends it. It returns ErrConflict while another owner has the lock.
	LockACME(ctx context.Context, name, owner string, now, until time.Time) error

	// UnlockACME releases the lock of owner. It does nothing if another owner has the lock.
	UnlockACME(ctx context.Context, name, owner string) error
}
