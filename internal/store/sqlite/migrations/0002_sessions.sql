CREATE TABLE sessions (
	hash       BLOB PRIMARY KEY, -- SHA-256 of the id in the cookie
	account_id TEXT NOT NULL REFERENCES accounts (id),
	entry      TEXT NOT NULL,
	app_id     TEXT NOT NULL,
	open_id    TEXT NOT NULL,
	door       TEXT NOT NULL,
	auth_time  INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	seen_at    INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	data       BLOB
) STRICT;

CREATE INDEX sessions_by_account ON sessions (account_id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE claims (
	key         TEXT PRIMARY KEY,
	code        TEXT NOT NULL,
	owner       TEXT NOT NULL,
	lease       INTEGER NOT NULL,
	expires_at  INTEGER NOT NULL,
	outcome     TEXT NOT NULL, -- '' = not finished
	finished_at INTEGER NOT NULL,
	told        TEXT NOT NULL
) STRICT;

CREATE INDEX claims_by_end ON claims (expires_at);
