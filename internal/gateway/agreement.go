package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// Agreement is what a user has agreed to: the documents of the gateway's administrator, such as the
// privacy policy, in one version. The zero value means that the user has agreed to nothing. The law
// requires a new consent when the documents change (Personal Information Protection Law of the
// People's Republic of China, article 14).
type Agreement struct {
	Version   string   `json:"version"`   // as configured; "" = the administrator counts no versions
	Documents []string `json:"documents"` // addresses of the documents, as configured
	// Hash identifies the version and the addresses: see AgreementHash. It does not cover the content of
	// the documents, which the gateway does not fetch.
	Hash string    `json:"hash"`
	At   time.Time `json:"at"` // when the user agreed
}

// NewAgreement returns the agreement to documents in one version, without the time.
func NewAgreement(version string, documents []string) Agreement {
	return Agreement{Version: version, Documents: documents, Hash: AgreementHash(version, documents)}
}

// AgreementHash returns the SHA-256, in hexadecimal, of the version and the addresses of the
// documents, each followed by a line feed.
func AgreementHash(version string, documents []string) string {
	var text strings.Builder
	for _, line := range append([]string{version}, documents...) {
		text.WriteString(line)
		text.WriteByte('\n')
	}
	sum := sha256.Sum256([]byte(text.String()))
	return hex.EncodeToString(sum[:])
}

// IsZero reports whether the user has agreed to nothing.
func (a Agreement) IsZero() bool { return a.Hash == "" }

// AgreementRule is what a sign-in must check about the user's agreement. The zero value requires
// none.
type AgreementRule struct {
	// Required is the Hash that the user must have agreed to. Otherwise the store returns
	// ErrAgreementRequired and stores nothing. "" = the user need not agree.
	Required string

	// Given is the agreement to which the user has agreed for this sign-in. It becomes
	// User.Agreement. nil = the user was not asked.
	Given *Agreement

	// Waived allows stored users to sign in without Required: to download their data, or to delete
	// themselves. New users must agree nevertheless.
	Waived bool
}

// EventAgreed is the kind of the event of a user's agreement.
const EventAgreed = "agreed"

// Describe returns the detail of the event of an agreement.
func (a Agreement) Describe() string {
	if a.Version == "" {
		return "hash: " + a.Hash
	}
	return "version: " + a.Version + "; hash: " + a.Hash
}

// Later returns the agreement that a user has when two users are joined into one: the later of the
// two.
func (a Agreement) Later(b Agreement) Agreement {
	if b.At.After(a.At) {
		return b
	}
	return a
}
