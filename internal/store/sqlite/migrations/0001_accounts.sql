-- Times are microseconds since 1970, UTC; 0 is "never". groups is a JSON array.

CREATE TABLE accounts (
	id          TEXT PRIMARY KEY,
	nickname    TEXT NOT NULL,
	avatar_url  TEXT NOT NULL,
	locale      TEXT NOT NULL,
	profile_at  INTEGER NOT NULL,
	status      TEXT NOT NULL CHECK (status IN ('active', 'pending', 'blocked')),
	admin       INTEGER NOT NULL,
	groups      TEXT NOT NULL,
	old_id      TEXT NOT NULL,
	created_at  INTEGER NOT NULL,
	updated_at  INTEGER NOT NULL,
	joined_into TEXT NOT NULL DEFAULT '' -- the older account; '' = this one stands for itself
) STRICT, WITHOUT ROWID;

CREATE INDEX accounts_by_age ON accounts (created_at, id) WHERE joined_into = '';
CREATE INDEX accounts_by_old_id ON accounts (old_id) WHERE old_id <> '' AND joined_into = '';
CREATE INDEX accounts_by_joined ON accounts (joined_into) WHERE joined_into <> '';

CREATE TABLE identities (
	app_id     TEXT NOT NULL,
	open_id    TEXT NOT NULL,
	account_id TEXT NOT NULL REFERENCES accounts (id),
	entry      TEXT NOT NULL,
	union_id   TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	seen_at    INTEGER NOT NULL,
	PRIMARY KEY (app_id, open_id)
) STRICT, WITHOUT ROWID;

-- At most one openid per appid and account, whatever the code above believes.
CREATE UNIQUE INDEX identities_by_account ON identities (account_id, app_id);
CREATE INDEX identities_by_union_id ON identities (union_id) WHERE union_id <> '';

CREATE TABLE subjects (
	account_id TEXT NOT NULL REFERENCES accounts (id),
	app        TEXT NOT NULL,
	subject    TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	PRIMARY KEY (account_id, app)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX subjects_by_app ON subjects (app, subject);

CREATE TABLE events (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	at         INTEGER NOT NULL,
	kind       TEXT NOT NULL,
	account_id TEXT NOT NULL,
	app        TEXT NOT NULL,
	entry      TEXT NOT NULL,
	door       TEXT NOT NULL,
	outcome    TEXT NOT NULL,
	request_id TEXT NOT NULL,
	detail     TEXT NOT NULL
) STRICT;

CREATE INDEX events_by_account ON events (account_id, id) WHERE account_id <> '';
CREATE INDEX events_by_time ON events (at);
