-- One row is one authorization code and the token family that it opens: a code
-- is taken, and a refresh token moves on, by changing its row.
CREATE TABLE grants (
	family        TEXT PRIMARY KEY,
	app           TEXT NOT NULL,
	account_id    TEXT NOT NULL REFERENCES accounts (id),
	subject       TEXT NOT NULL,
	scopes        TEXT NOT NULL, -- JSON array
	auth_time     INTEGER NOT NULL,
	session       BLOB,          -- hash of the session; NULL = none
	entry         TEXT NOT NULL,
	app_id        TEXT NOT NULL,
	open_id       TEXT NOT NULL,
	created_at    INTEGER NOT NULL,
	expires_at    INTEGER NOT NULL,
	revoked_at    INTEGER NOT NULL,
	counter       INTEGER NOT NULL,
	rotated_at    INTEGER NOT NULL,
	refresh       BLOB, -- SHA-256 of the refresh token that is current
	previous      BLOB, -- and of the one before it
	data          BLOB,
	code_hash     BLOB NOT NULL UNIQUE,
	redirect_uri  TEXT NOT NULL,
	challenge     TEXT NOT NULL,
	nonce         TEXT NOT NULL,
	code_expires  INTEGER NOT NULL,
	code_taken_at INTEGER NOT NULL
) STRICT;

CREATE INDEX grants_by_account ON grants (account_id);
CREATE INDEX grants_by_session ON grants (session) WHERE session IS NOT NULL;
CREATE INDEX grants_by_end ON grants (expires_at);

CREATE TABLE tokens (
	hash       BLOB PRIMARY KEY, -- SHA-256 of the access token
	family     TEXT NOT NULL,    -- a token whose family is gone is dead
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_by_end ON tokens (expires_at);
