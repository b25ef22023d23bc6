-- Times are microseconds since 1970 in UTC, 0 for none. Lists are JSON arrays of strings.
--
-- Tables that grow have a rowid: new rows go to the end of the file, and only the indexes are
-- written in the order of random ids.

CREATE TABLE users (
	seq         INTEGER PRIMARY KEY, -- in the order of creation, for lists
	id          TEXT NOT NULL UNIQUE,
	nickname    TEXT NOT NULL,
	avatar_url  TEXT NOT NULL,
	locale      TEXT NOT NULL,
	profile_at  INTEGER NOT NULL,
	status      TEXT NOT NULL CHECK (status IN ('active', 'pending', 'blocked')),
	admin       INTEGER NOT NULL,
	groups      TEXT NOT NULL, -- list
	old_id      TEXT NOT NULL, -- from an imported user table; '' = none
	created_at  INTEGER NOT NULL,
	updated_at  INTEGER NOT NULL,
	joined_into TEXT NOT NULL DEFAULT '' -- id of the older user; '' = not joined
) STRICT;

-- A partial index serves a statement that repeats its condition.
CREATE INDEX users_by_status ON users (status, seq) WHERE status <> 'active';
CREATE INDEX users_by_old_id ON users (old_id) WHERE old_id <> '' AND joined_into = '';
CREATE INDEX users_by_nickname ON users (lower(nickname)) WHERE nickname <> '' AND joined_into = '';
CREATE INDEX users_by_joined ON users (joined_into) WHERE joined_into <> '';

CREATE TABLE identities (
	app_id     TEXT NOT NULL,
	open_id    TEXT NOT NULL,
	user_id    TEXT NOT NULL REFERENCES users (id),
	connector  TEXT NOT NULL,
	union_id   TEXT NOT NULL, -- '' = none seen
	created_at INTEGER NOT NULL,
	seen_at    INTEGER NOT NULL,
	PRIMARY KEY (open_id, app_id)
) STRICT;

-- A user has at most one openid of an appid.
CREATE UNIQUE INDEX identities_by_user ON identities (user_id, app_id);
CREATE INDEX identities_by_union_id ON identities (union_id) WHERE union_id <> '';

CREATE TABLE subjects (
	user_id    TEXT NOT NULL REFERENCES users (id),
	app        TEXT NOT NULL,
	subject    TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	PRIMARY KEY (user_id, app)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX subjects_by_app ON subjects (app, subject);

CREATE TABLE events (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	at         INTEGER NOT NULL,
	kind       TEXT NOT NULL,
	user_id    TEXT NOT NULL,
	app        TEXT NOT NULL,
	connector  TEXT NOT NULL,
	method     TEXT NOT NULL,
	outcome    TEXT NOT NULL,
	request_id TEXT NOT NULL,
	detail     TEXT NOT NULL
) STRICT;

CREATE INDEX events_by_user ON events (user_id, id) WHERE user_id <> '';
CREATE INDEX events_by_kind ON events (kind, id);
CREATE INDEX events_by_app ON events (app, id) WHERE app <> '';
CREATE INDEX events_by_time ON events (at);

CREATE TABLE sessions (
	hash       BLOB NOT NULL PRIMARY KEY, -- SHA-256 of the id in the cookie
	first_hash BLOB NOT NULL, -- hash of the first of the sessions that renew each other
	user_id    TEXT NOT NULL REFERENCES users (id),
	connector  TEXT NOT NULL,
	app_id     TEXT NOT NULL,
	open_id    TEXT NOT NULL,
	method     TEXT NOT NULL,
	auth_time  INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	seen_at    INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	data       BLOB
) STRICT;

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Visitors make rows without a user. A row with another outcome than signed_in expires within minutes.
CREATE TABLE attempts (
	key               TEXT NOT NULL PRIMARY KEY,
	code              TEXT NOT NULL,
	owner             TEXT NOT NULL,
	lease             INTEGER NOT NULL,
	expires_at        INTEGER NOT NULL,
	second_code_until INTEGER NOT NULL, -- 0 = no other code may replace this one
	outcome           TEXT NOT NULL, -- '' = not finished
	finished_at       INTEGER NOT NULL,
	message           TEXT NOT NULL
) STRICT;

CREATE INDEX attempts_by_expiry ON attempts (expires_at);

-- A row is an authorization code and the grant that it opens. Redeeming the code and rotating the
-- refresh token change the row.
CREATE TABLE grants (
	id               TEXT NOT NULL PRIMARY KEY,
	app              TEXT NOT NULL,
	user_id          TEXT NOT NULL REFERENCES users (id),
	subject          TEXT NOT NULL,
	scopes           TEXT NOT NULL, -- list
	auth_time        INTEGER NOT NULL,
	session          BLOB,          -- hash of the session; NULL = none
	connector        TEXT NOT NULL,
	app_id           TEXT NOT NULL,
	open_id          TEXT NOT NULL,
	method           TEXT NOT NULL, -- of the sign-in
	created_at       INTEGER NOT NULL,
	expires_at       INTEGER NOT NULL,
	sweep_at         INTEGER NOT NULL, -- when the sweep reads expires_at; only the sweep changes it, so that redeeming a code changes no index
	revoked_at       INTEGER NOT NULL,
	counter          INTEGER NOT NULL,
	rotated_at       INTEGER NOT NULL,
	refresh_hash     BLOB, -- SHA-256 of the current refresh token
	previous_hash    BLOB, -- and of the one before it
	data             BLOB,
	code_hash        BLOB NOT NULL UNIQUE,
	redirect_uri     TEXT NOT NULL,
	challenge        TEXT NOT NULL,
	nonce            BLOB NOT NULL, -- from the client, any bytes
	code_expires_at  INTEGER NOT NULL,
	code_redeemed_at INTEGER NOT NULL
) STRICT;

CREATE INDEX grants_by_user ON grants (user_id);
CREATE INDEX grants_by_session ON grants (session) WHERE session IS NOT NULL;
CREATE INDEX grants_by_sweep ON grants (sweep_at);

CREATE TABLE tokens (
	hash       BLOB NOT NULL PRIMARY KEY, -- SHA-256 of the access token
	grant_id   TEXT NOT NULL,    -- a token is dead when its grant is gone
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_by_expiry ON tokens (expires_at);

CREATE TABLE keys (
	id         TEXT NOT NULL PRIMARY KEY,
	slot       TEXT NOT NULL UNIQUE,
	use        TEXT NOT NULL,
	alg        TEXT NOT NULL,
	sealed     BLOB NOT NULL, -- with the master key, which is not in this database
	created_at INTEGER NOT NULL,
	active_at  INTEGER NOT NULL,
	retired_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT;

-- A row is the sign-in of a desktop by a phone. Visitors make these rows without a user, so they
-- are counted and live for minutes.
CREATE TABLE tickets (
	hash               BLOB NOT NULL PRIMARY KEY, -- SHA-256 of the id in the QR code
	desktop            BLOB NOT NULL,    -- SHA-256 of the secret in the desktop's cookie
	app                TEXT NOT NULL,
	connector          TEXT NOT NULL,
	browser            TEXT NOT NULL,
	masked_ip          TEXT NOT NULL, -- of the desktop
	network            TEXT NOT NULL, -- keyed hash of the desktop's network; '' = unknown
	number             TEXT NOT NULL,
	state              TEXT NOT NULL CHECK (state IN ('open', 'opened', 'scanned', 'approved', 'redeemed', 'refused', 'wrong_number', 'cancelled')),
	approver_id        TEXT NOT NULL, -- user of the phone; '' = nobody has scanned it
	approver_connector TEXT NOT NULL,
	app_id             TEXT NOT NULL, -- the approver's identity
	open_id            TEXT NOT NULL,
	auth_time          INTEGER NOT NULL,
	scanned_at         INTEGER NOT NULL,
	created_at         INTEGER NOT NULL,
	expires_at         INTEGER NOT NULL,
	data               BLOB
) STRICT;

-- With the state, so that counting and sweeping need not read the rows.
CREATE INDEX tickets_by_expiry ON tickets (expires_at, state);
CREATE INDEX tickets_by_approver ON tickets (approver_id) WHERE approver_id <> '';
-- For the share of each network; the condition is repeated by the statements.
CREATE INDEX tickets_by_network ON tickets (network, expires_at) WHERE state IN ('open', 'opened', 'cancelled');

-- A row is a request whose address is too long for a cookie, while its user signs in. Visitors make
-- these rows without a user, so they are counted and live for an hour.
CREATE TABLE saved_requests (
	hash       BLOB NOT NULL PRIMARY KEY, -- SHA-256 of the key in the short address
	browser    BLOB NOT NULL, -- SHA-256 of the secret in the browser's cookie
	network    TEXT NOT NULL, -- keyed hash of the browser's network; '' = unknown
	address    TEXT NOT NULL, -- path and query
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX saved_requests_by_expiry ON saved_requests (expires_at);
CREATE INDEX saved_requests_by_browser ON saved_requests (browser, expires_at);
CREATE INDEX saved_requests_by_network ON saved_requests (network, expires_at);
