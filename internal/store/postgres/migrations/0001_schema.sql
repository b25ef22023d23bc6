-- Times are microseconds since 1970 in UTC, 0 for none. Lists are JSON arrays of strings.

CREATE TABLE users (
	seq         bigint GENERATED ALWAYS AS IDENTITY UNIQUE, -- in the order of creation, for lists
	id          text PRIMARY KEY,
	nickname    text NOT NULL,
	avatar_url  text NOT NULL,
	locale      text NOT NULL,
	profile_at  bigint NOT NULL,
	status      text NOT NULL CHECK (status IN ('active', 'pending', 'blocked')),
	admin       boolean NOT NULL,
	groups      text NOT NULL, -- list
	old_id      text NOT NULL, -- from an imported user table; '' = none
	created_at  bigint NOT NULL,
	updated_at  bigint NOT NULL,
	joined_into text NOT NULL DEFAULT '' -- id of the older user; '' = not joined
);

-- A partial index serves a statement that repeats its condition.
CREATE INDEX users_by_status ON users (status, seq) WHERE status <> 'active';
CREATE INDEX users_by_old_id ON users (old_id) WHERE old_id <> '' AND joined_into = '';
CREATE INDEX users_by_nickname ON users (lower(nickname) COLLATE "C") WHERE nickname <> '' AND joined_into = '';
CREATE INDEX users_by_joined ON users (joined_into) WHERE joined_into <> '';

CREATE TABLE identities (
	app_id     text NOT NULL,
	open_id    text NOT NULL,
	user_id    text NOT NULL REFERENCES users (id),
	connector  text NOT NULL,
	union_id   text NOT NULL, -- '' = none seen
	created_at bigint NOT NULL,
	seen_at    bigint NOT NULL,
	PRIMARY KEY (open_id, app_id)
);

-- A user has at most one openid of an appid.
CREATE UNIQUE INDEX identities_by_user ON identities (user_id, app_id);
CREATE INDEX identities_by_union_id ON identities (union_id) WHERE union_id <> '';

-- Sign-ins of one person through two connectors at once must find each other although neither has a
-- row yet: both lock the rows with the numbers of their openid and unionid first. These are rows and
-- not advisory locks, which not every engine has.
CREATE TABLE sign_in_locks (n integer PRIMARY KEY);
INSERT INTO sign_in_locks SELECT generate_series(0, 1023);

CREATE TABLE subjects (
	user_id    text NOT NULL REFERENCES users (id),
	app        text NOT NULL,
	subject    text NOT NULL,
	created_at bigint NOT NULL,
	PRIMARY KEY (user_id, app)
);

CREATE UNIQUE INDEX subjects_by_app ON subjects (app, subject);

CREATE TABLE events (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at         bigint NOT NULL,
	kind       text NOT NULL,
	user_id    text NOT NULL,
	app        text NOT NULL,
	connector  text NOT NULL,
	method     text NOT NULL,
	outcome    text NOT NULL,
	request_id text NOT NULL,
	detail     text NOT NULL
);

CREATE INDEX events_by_user ON events (user_id, id) WHERE user_id <> '';
CREATE INDEX events_by_kind ON events (kind, id);
CREATE INDEX events_by_app ON events (app, id) WHERE app <> '';
CREATE INDEX events_by_time ON events (at);

CREATE TABLE sessions (
	hash       bytea PRIMARY KEY, -- SHA-256 of the id in the cookie
	first_hash bytea NOT NULL, -- hash of the first of the sessions that renew each other
	user_id    text NOT NULL REFERENCES users (id),
	connector  text NOT NULL,
	app_id     text NOT NULL,
	open_id    text NOT NULL,
	method     text NOT NULL,
	auth_time  bigint NOT NULL,
	created_at bigint NOT NULL,
	seen_at    bigint NOT NULL,
	expires_at bigint NOT NULL,
	data       bytea
);

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Visitors make rows without a user. A row with another outcome than signed_in expires within minutes.
CREATE TABLE attempts (
	key               text PRIMARY KEY,
	code              text NOT NULL,
	owner             text NOT NULL,
	lease             bigint NOT NULL,
	expires_at        bigint NOT NULL,
	second_code_until bigint NOT NULL, -- 0 = no other code may replace this one
	outcome           text NOT NULL, -- '' = not finished
	finished_at       bigint NOT NULL,
	message           text NOT NULL
);

CREATE INDEX attempts_by_expiry ON attempts (expires_at);

-- A row is an authorization code and the grant that it opens. Redeeming the code and rotating the
-- refresh token change the row.
CREATE TABLE grants (
	id               text PRIMARY KEY,
	app              text NOT NULL,
	user_id          text NOT NULL REFERENCES users (id),
	subject          text NOT NULL,
	scopes           text NOT NULL, -- list
	auth_time        bigint NOT NULL,
	session          bytea,          -- hash of the session; NULL = none
	connector        text NOT NULL,
	app_id           text NOT NULL,
	open_id          text NOT NULL,
	method           text NOT NULL, -- of the sign-in
	created_at       bigint NOT NULL,
	expires_at       bigint NOT NULL,
	sweep_at         bigint NOT NULL, -- when the sweep reads expires_at; only the sweep changes it, so that redeeming a code changes no index
	revoked_at       bigint NOT NULL,
	counter          integer NOT NULL,
	rotated_at       bigint NOT NULL,
	refresh_hash     bytea, -- SHA-256 of the current refresh token
	previous_hash    bytea, -- and of the one before it
	data             bytea,
	code_hash        bytea NOT NULL UNIQUE,
	redirect_uri     text NOT NULL,
	challenge        text NOT NULL,
	nonce            bytea NOT NULL, -- from the client, any bytes
	code_expires_at  bigint NOT NULL,
	code_redeemed_at bigint NOT NULL
);

-- The free space takes the row as it is after the redemption, so that no index is written then.
ALTER TABLE grants SET (fillfactor = 50);

CREATE INDEX grants_by_user ON grants (user_id);
CREATE INDEX grants_by_session ON grants (session) WHERE session IS NOT NULL;
CREATE INDEX grants_by_sweep ON grants (sweep_at);

CREATE TABLE tokens (
	hash       bytea PRIMARY KEY, -- SHA-256 of the access token
	grant_id   text NOT NULL,    -- a token is dead when its grant is gone
	created_at bigint NOT NULL,
	expires_at bigint NOT NULL
);

CREATE INDEX tokens_by_expiry ON tokens (expires_at);

CREATE TABLE keys (
	id         text PRIMARY KEY,
	slot       text NOT NULL UNIQUE,
	use        text NOT NULL,
	alg        text NOT NULL,
	sealed     bytea NOT NULL, -- with the master key, which is not in this database
	created_at bigint NOT NULL,
	active_at  bigint NOT NULL,
	retired_at bigint NOT NULL,
	expires_at bigint NOT NULL
);

-- A row is the sign-in of a desktop by a phone. Visitors make these rows without a user, so they
-- are counted and live for minutes.
CREATE TABLE tickets (
	hash               bytea PRIMARY KEY, -- SHA-256 of the id in the QR code
	desktop            bytea NOT NULL,    -- SHA-256 of the secret in the desktop's cookie
	app                text NOT NULL,
	connector          text NOT NULL,
	browser            text NOT NULL,
	masked_ip          text NOT NULL, -- of the desktop
	network            text NOT NULL, -- keyed hash of the desktop's network; '' = unknown
	number             text NOT NULL,
	state              text NOT NULL CHECK (state IN ('open', 'opened', 'scanned', 'approved', 'redeemed', 'refused', 'wrong_number', 'cancelled')),
	approver_id        text NOT NULL, -- user of the phone; '' = nobody has scanned it
	approver_connector text NOT NULL,
	app_id             text NOT NULL, -- the approver's identity
	open_id            text NOT NULL,
	auth_time          bigint NOT NULL,
	scanned_at         bigint NOT NULL,
	created_at         bigint NOT NULL,
	expires_at         bigint NOT NULL,
	data               bytea
);

-- With the state, so that counting and sweeping need not read the rows.
CREATE INDEX tickets_by_expiry ON tickets (expires_at, state);
CREATE INDEX tickets_by_approver ON tickets (approver_id) WHERE approver_id <> '';
-- For the share of each network; the condition is repeated by the statements.
CREATE INDEX tickets_by_network ON tickets (network, expires_at) WHERE state IN ('open', 'opened', 'cancelled');

-- Close to a limit of tickets, a transaction that stores a ticket locks this row first. Without
-- the lock, concurrent transactions would all count the same number and exceed the limit together.
CREATE TABLE ticket_lock (n integer PRIMARY KEY);
INSERT INTO ticket_lock VALUES (1);

-- A row is a request whose address is too long for a cookie, while its user signs in. Visitors make
-- these rows without a user, so they are counted and live for an hour.
CREATE TABLE saved_requests (
	hash       bytea PRIMARY KEY, -- SHA-256 of the key in the short address
	browser    bytea NOT NULL, -- SHA-256 of the secret in the browser's cookie
	network    text NOT NULL, -- keyed hash of the browser's network; '' = unknown
	address    text NOT NULL, -- path and query
	created_at bigint NOT NULL,
	expires_at bigint NOT NULL
);

CREATE INDEX saved_requests_by_expiry ON saved_requests (expires_at);
CREATE INDEX saved_requests_by_browser ON saved_requests (browser, expires_at);
CREATE INDEX saved_requests_by_network ON saved_requests (network, expires_at);
