-- Times are microseconds since 1970 in UTC, 0 for none. Lists are JSON arrays of strings.
--
-- Tables that grow have a rowid: new rows go to the end of the file, and only the indexes are
-- written in the order of random ids.

CREATE TABLE users (
	seq          INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of creation, for lists
	id           TEXT NOT NULL UNIQUE,
	nickname     TEXT NOT NULL,
	avatar_url   TEXT NOT NULL,
	locale       TEXT NOT NULL,
	profile_at   INTEGER NOT NULL,
	status       TEXT NOT NULL CHECK (status IN ('active', 'pending', 'blocked')),
	admin        INTEGER NOT NULL,
	groups       TEXT NOT NULL, -- list
	real_name    TEXT NOT NULL,
	note         TEXT NOT NULL,
	allowed_apps TEXT NOT NULL, -- list
	refused_apps TEXT NOT NULL, -- list
	agreement    TEXT NOT NULL DEFAULT '', -- what the user agreed to last, as JSON; '' = nothing
	old_id       TEXT NOT NULL, -- from an imported user table; '' = none
	created_at   INTEGER NOT NULL,
	updated_at   INTEGER NOT NULL,
	joined_into  TEXT NOT NULL DEFAULT '' -- id of the older user; '' = not joined
) STRICT;

-- A partial index serves a statement that repeats its condition.
CREATE INDEX users_by_status ON users (status, seq) WHERE status <> 'active';
CREATE INDEX users_by_old_id ON users (old_id) WHERE old_id <> '' AND joined_into = '';
CREATE INDEX users_by_nickname ON users (lower(nickname)) WHERE nickname <> '' AND joined_into = '';
CREATE INDEX users_by_admin ON users (seq) WHERE admin;
CREATE INDEX users_by_joined ON users (joined_into) WHERE joined_into <> '';

-- The groups of users, for searches. They are written when a user's groups change, not at a sign-in.
CREATE TABLE user_groups (
	name TEXT NOT NULL,
	seq  INTEGER NOT NULL, -- of the user
	PRIMARY KEY (name, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX user_groups_by_user ON user_groups (seq);

-- The ends of real names and notes in lower case, from each character on, for searches inside of
-- them: a text contains a word when one of its ends begins with the word. They are written when the
-- real name or the note changes, not at a sign-in.
CREATE TABLE user_terms (
	term TEXT NOT NULL,
	seq  INTEGER NOT NULL, -- of the user
	PRIMARY KEY (term, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX user_terms_by_user ON user_terms (seq, term);

CREATE TABLE identities (
	app_id     TEXT NOT NULL,
	open_id    TEXT NOT NULL,
	user_id    TEXT NOT NULL REFERENCES users (id),
	connector  TEXT NOT NULL,
	union_id   TEXT NOT NULL, -- '' = none seen
	created_at INTEGER NOT NULL,
	seen_at    INTEGER NOT NULL,
	user_seq   INTEGER NOT NULL, -- seq of the user, for searches
	PRIMARY KEY (open_id, app_id)
) STRICT;

-- A user has at most one openid of an appid.
CREATE UNIQUE INDEX identities_by_user ON identities (user_id, app_id);
CREATE INDEX identities_by_union_id ON identities (union_id) WHERE union_id <> '';
CREATE INDEX identities_without_union_id ON identities (app_id, user_seq) WHERE union_id = '';

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
	detail     TEXT NOT NULL,
	actor      TEXT NOT NULL, -- '' = the user, or nobody
	address    TEXT NOT NULL  -- IP address without its last part; '' = unknown
) STRICT;

CREATE INDEX events_by_user ON events (user_id, id) WHERE user_id <> '';
CREATE INDEX events_by_kind ON events (kind, id);
CREATE INDEX events_by_app ON events (app, id) WHERE app <> '';
CREATE INDEX events_by_actor ON events (actor, id) WHERE actor <> '';
CREATE INDEX events_by_request ON events (request_id, id) WHERE request_id <> '';
CREATE INDEX events_by_outcome ON events (outcome, id) WHERE outcome <> 'ok';
-- Another condition than that of events_by_outcome: a search for one outcome must not use this index.
CREATE INDEX events_by_failure ON events (id) WHERE outcome || '' <> 'ok';
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
CREATE INDEX sessions_renewed ON sessions (first_hash) WHERE first_hash <> hash;
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

-- A row is the sign-in of a desktop through the chat of an official account. Visitors make these rows
-- without a user, so they are counted and live for minutes.
CREATE TABLE chat_sign_ins (
	key        BLOB NOT NULL PRIMARY KEY, -- SHA-256 of connector, method, and number or scene
	desktop    BLOB NOT NULL, -- SHA-256 of the secret in the desktop's cookie
	connector  TEXT NOT NULL,
	method     TEXT NOT NULL,
	app        TEXT NOT NULL,
	browser    TEXT NOT NULL,
	masked_ip  TEXT NOT NULL, -- of the desktop
	network    TEXT NOT NULL, -- keyed hash of the desktop's network; '' = unknown
	state      TEXT NOT NULL CHECK (state IN ('waiting', 'answered', 'completed', 'wrong_code', 'refused', 'cancelled')),
	open_id    TEXT NOT NULL, -- of the person who answered; '' = nobody
	code       TEXT NOT NULL, -- the confirmation code; '' = nobody has answered
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	data       BLOB
) STRICT;

CREATE INDEX chat_sign_ins_by_expiry ON chat_sign_ins (expires_at);
CREATE INDEX chat_sign_ins_by_person ON chat_sign_ins (open_id) WHERE open_id <> '';
-- For the limits; the condition is repeated by the statements.
CREATE INDEX chat_sign_ins_by_network ON chat_sign_ins (network, expires_at) WHERE state <> 'completed';
CREATE INDEX chat_sign_ins_by_method ON chat_sign_ins (connector, method, expires_at) WHERE state <> 'completed';

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

-- Who wants to use which app. The decision itself is in table users.
CREATE TABLE access_requests (
	user_id      TEXT NOT NULL REFERENCES users (id),
	app          TEXT NOT NULL,
	method       TEXT NOT NULL,
	state        TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'refused')),
	reason       TEXT NOT NULL,
	requested_at INTEGER NOT NULL,
	decided_at   INTEGER NOT NULL,
	decided_by   TEXT NOT NULL,
	PRIMARY KEY (user_id, app)
) STRICT, WITHOUT ROWID;

CREATE INDEX access_requests_waiting ON access_requests (requested_at, user_id, app) WHERE state = 'waiting';
CREATE INDEX access_requests_of_app ON access_requests (app, requested_at, user_id) WHERE state = 'waiting';

CREATE TABLE invitations (
	id         TEXT NOT NULL PRIMARY KEY,
	hash       BLOB NOT NULL UNIQUE, -- of the secret in the link
	kind       TEXT NOT NULL CHECK (kind IN ('user', 'admin', 'move')),
	user_id    TEXT NOT NULL, -- whom the link is for; '' = any user
	apps       TEXT NOT NULL, -- list
	groups     TEXT NOT NULL, -- list
	note       TEXT NOT NULL,
	created_by TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	max_uses   INTEGER NOT NULL, -- 0 = no limit
	uses       INTEGER NOT NULL,
	revoked_at INTEGER NOT NULL
) STRICT;

CREATE INDEX invitations_by_time ON invitations (created_at, id);
CREATE INDEX invitations_by_kind ON invitations (kind, created_at, id);
CREATE INDEX invitations_by_user ON invitations (user_id) WHERE user_id <> '';
CREATE INDEX invitations_by_expiry ON invitations (expires_at);

CREATE TABLE invitation_uses (
	invitation_id TEXT NOT NULL,
	user_id       TEXT NOT NULL,
	at            INTEGER NOT NULL,
	expires_at    INTEGER NOT NULL, -- of the invitation
	PRIMARY KEY (invitation_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX invitation_uses_by_time ON invitation_uses (invitation_id, at, user_id);
CREATE INDEX invitation_uses_by_user ON invitation_uses (user_id);
CREATE INDEX invitation_uses_by_expiry ON invitation_uses (expires_at);

CREATE TABLE api_keys (
	id           TEXT NOT NULL PRIMARY KEY,
	hash         BLOB NOT NULL UNIQUE,
	name         TEXT NOT NULL,
	scopes       TEXT NOT NULL, -- list
	created_by   TEXT NOT NULL,
	created_at   INTEGER NOT NULL,
	expires_at   INTEGER NOT NULL, -- 0 = never
	last_used_at INTEGER NOT NULL,
	revoked_at   INTEGER NOT NULL
) STRICT;

CREATE INDEX api_keys_by_time ON api_keys (created_at, id);
CREATE INDEX api_keys_by_expiry ON api_keys (expires_at) WHERE expires_at <> 0;
CREATE INDEX api_keys_by_revocation ON api_keys (revoked_at) WHERE revoked_at <> 0;

-- What has to be sent to other servers. A row is written in the transaction that causes it.
CREATE TABLE deliveries (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	kind       TEXT NOT NULL,
	target     TEXT NOT NULL,
	user_id    TEXT NOT NULL,
	session_id TEXT NOT NULL, -- the claim sid
	subject    TEXT NOT NULL, -- the claim sub
	payload    BLOB,
	state      TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed')),
	created_at INTEGER NOT NULL,
	next_at    INTEGER NOT NULL,
	attempts   INTEGER NOT NULL,
	last_error TEXT NOT NULL
) STRICT;

CREATE INDEX deliveries_waiting ON deliveries (kind, next_at, id) WHERE state = 'waiting';
CREATE INDEX deliveries_by_kind ON deliveries (kind, id);
CREATE INDEX deliveries_by_target ON deliveries (target, id);
CREATE INDEX deliveries_by_user ON deliveries (user_id, id) WHERE user_id <> '';
CREATE INDEX deliveries_by_state ON deliveries (state, id) WHERE state <> 'sent';
CREATE INDEX deliveries_by_time ON deliveries (created_at);

-- Which apps with back-channel logout were signed in from a session. A row becomes a delivery when
-- the session ends, and no other session renews it.
CREATE TABLE app_sessions (
	session    BLOB NOT NULL, -- first_hash of the session
	app        TEXT NOT NULL,
	session_id TEXT NOT NULL, -- the claim sid
	user_id    TEXT NOT NULL,
	subject    TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	PRIMARY KEY (session, app, session_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX app_sessions_by_user ON app_sessions (user_id, app);

-- Counts in one hour, for the pictures of administrators.
CREATE TABLE statistics (
	hour  INTEGER NOT NULL,
	name  TEXT NOT NULL,
	label TEXT NOT NULL,
	count INTEGER NOT NULL,
	PRIMARY KEY (hour, name, label)
) STRICT, WITHOUT ROWID;

-- Faults that an administrator can do something about.
CREATE TABLE problems (
	source     TEXT NOT NULL,
	code       TEXT NOT NULL,
	first_at   INTEGER NOT NULL,
	last_at    INTEGER NOT NULL,
	count      INTEGER NOT NULL,
	request_id TEXT NOT NULL,
	detail     TEXT NOT NULL,
	PRIMARY KEY (source, code)
) STRICT, WITHOUT ROWID;

CREATE INDEX problems_by_time ON problems (last_at);

-- What the ACME client keeps: account, certificate and its key, challenges.
CREATE TABLE acme_files (
	name       TEXT NOT NULL PRIMARY KEY,
	sealed     BLOB NOT NULL, -- with the master key
	updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE acme_locks (
	name       TEXT NOT NULL PRIMARY KEY,
	owner      TEXT NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the gateways of this database remember of their configuration.
CREATE TABLE remembered (
	name  TEXT NOT NULL PRIMARY KEY, -- 'url'
	value TEXT NOT NULL,
	since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
