-- Times are microseconds since 1970 in UTC, 0 for none. Lists are JSON arrays of strings.

CREATE TABLE users (
	seq          bigint GENERATED ALWAYS AS IDENTITY UNIQUE, -- in the order of creation, for lists
	id           text PRIMARY KEY,
	nickname     text NOT NULL,
	avatar_url   text NOT NULL,
	locale       text NOT NULL,
	profile_at   bigint NOT NULL,
	status       text NOT NULL CHECK (status IN ('active', 'pending', 'blocked')),
	admin        boolean NOT NULL,
	groups       text NOT NULL, -- list
	real_name    text NOT NULL,
	note         text NOT NULL,
	allowed_apps text NOT NULL, -- list
	refused_apps text NOT NULL, -- list
	agreement    text NOT NULL DEFAULT '', -- what the user agreed to last, as JSON; '' = nothing
	old_id       text NOT NULL, -- from an imported user table; '' = none
	created_at   bigint NOT NULL,
	updated_at   bigint NOT NULL,
	joined_into  text NOT NULL DEFAULT '' -- id of the older user; '' = not joined
);

-- A partial index serves a statement that repeats its condition.
CREATE INDEX users_by_status ON users (status, seq) WHERE status <> 'active';
CREATE INDEX users_by_old_id ON users (old_id) WHERE old_id <> '' AND joined_into = '';
CREATE INDEX users_by_nickname ON users (lower(nickname) COLLATE "C") WHERE nickname <> '' AND joined_into = '';
CREATE INDEX users_by_admin ON users (seq) WHERE admin;
CREATE INDEX users_by_joined ON users (joined_into) WHERE joined_into <> '';

-- The groups of users, for searches. They are written when a user's groups change, not at a sign-in.
CREATE TABLE user_groups (
	name text COLLATE "C" NOT NULL,
	seq  bigint NOT NULL, -- of the user
	PRIMARY KEY (name, seq)
);

CREATE INDEX user_groups_by_user ON user_groups (seq);

-- The ends of real names and notes in lower case, from each character on, for searches inside of
-- them: a text contains a word when one of its ends begins with the word. They are written when the
-- real name or the note changes, not at a sign-in.
CREATE TABLE user_terms (
	term text COLLATE "C" NOT NULL,
	seq  bigint NOT NULL, -- of the user
	PRIMARY KEY (term, seq)
);

CREATE INDEX user_terms_by_user ON user_terms (seq, term);

CREATE TABLE identities (
	app_id     text NOT NULL,
	open_id    text NOT NULL,
	user_id    text NOT NULL REFERENCES users (id),
	connector  text NOT NULL,
	union_id   text NOT NULL, -- '' = none seen
	created_at bigint NOT NULL,
	seen_at    bigint NOT NULL,
	user_seq   bigint NOT NULL, -- seq of the user, for searches
	PRIMARY KEY (open_id, app_id)
);

-- A user has at most one openid of an appid.
CREATE UNIQUE INDEX identities_by_user ON identities (user_id, app_id);
CREATE INDEX identities_by_union_id ON identities (union_id) WHERE union_id <> '';
CREATE INDEX identities_without_union_id ON identities (app_id, user_seq) WHERE union_id = '';

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
	detail     text NOT NULL,
	actor      text NOT NULL, -- '' = the user, or nobody
	address    text NOT NULL  -- IP address without its last part; '' = unknown
);

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
CREATE INDEX sessions_renewed ON sessions (first_hash) WHERE first_hash <> hash;
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

-- A row is the sign-in of a desktop through the chat of an official account. Visitors make these rows
-- without a user, so they are counted and live for minutes.
CREATE TABLE chat_sign_ins (
	key        bytea PRIMARY KEY, -- SHA-256 of connector, method, and number or scene
	desktop    bytea NOT NULL, -- SHA-256 of the secret in the desktop's cookie
	connector  text NOT NULL,
	method     text NOT NULL,
	app        text NOT NULL,
	browser    text NOT NULL,
	masked_ip  text NOT NULL, -- of the desktop
	network    text NOT NULL, -- keyed hash of the desktop's network; '' = unknown
	state      text NOT NULL CHECK (state IN ('waiting', 'answered', 'completed', 'wrong_code', 'refused', 'cancelled')),
	open_id    text NOT NULL, -- of the person who answered; '' = nobody
	code       text NOT NULL, -- the confirmation code; '' = nobody has answered
	created_at bigint NOT NULL,
	expires_at bigint NOT NULL,
	data       bytea
);

CREATE INDEX chat_sign_ins_by_expiry ON chat_sign_ins (expires_at);
CREATE INDEX chat_sign_ins_by_person ON chat_sign_ins (open_id) WHERE open_id <> '';
-- For the limits; the condition is repeated by the statements.
CREATE INDEX chat_sign_ins_by_network ON chat_sign_ins (network, expires_at) WHERE state <> 'completed';
CREATE INDEX chat_sign_ins_by_method ON chat_sign_ins (connector, method, expires_at) WHERE state <> 'completed';

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

-- A transaction that takes administrator rights away locks this row before it counts the
-- administrators who remain. Otherwise two administrators could demote each other at once.
CREATE TABLE admin_lock (n integer PRIMARY KEY);
INSERT INTO admin_lock VALUES (1);

-- Who wants to use which app. The decision itself is in table users.
CREATE TABLE access_requests (
	user_id      text NOT NULL REFERENCES users (id),
	app          text NOT NULL,
	method       text NOT NULL,
	state        text NOT NULL CHECK (state IN ('waiting', 'approved', 'refused')),
	reason       text NOT NULL,
	requested_at bigint NOT NULL,
	decided_at   bigint NOT NULL,
	decided_by   text NOT NULL,
	PRIMARY KEY (user_id, app)
);

CREATE INDEX access_requests_waiting ON access_requests (requested_at, user_id, app) WHERE state = 'waiting';
CREATE INDEX access_requests_of_app ON access_requests (app, requested_at, user_id) WHERE state = 'waiting';

CREATE TABLE invitations (
	id         text NOT NULL PRIMARY KEY,
	hash       bytea NOT NULL UNIQUE, -- of the secret in the link
	kind       text NOT NULL CHECK (kind IN ('user', 'admin', 'move')),
	user_id    text NOT NULL, -- whom the link is for; '' = any user
	apps       text NOT NULL, -- list
	groups     text NOT NULL, -- list
	note       text NOT NULL,
	created_by text NOT NULL,
	created_at bigint NOT NULL,
	expires_at bigint NOT NULL,
	max_uses   bigint NOT NULL, -- 0 = no limit
	uses       bigint NOT NULL,
	revoked_at bigint NOT NULL
);

CREATE INDEX invitations_by_time ON invitations (created_at, id);
CREATE INDEX invitations_by_kind ON invitations (kind, created_at, id);
CREATE INDEX invitations_by_user ON invitations (user_id) WHERE user_id <> '';
CREATE INDEX invitations_by_expiry ON invitations (expires_at);

CREATE TABLE invitation_uses (
	invitation_id text NOT NULL,
	user_id       text NOT NULL,
	at            bigint NOT NULL,
	expires_at    bigint NOT NULL, -- of the invitation
	PRIMARY KEY (invitation_id, user_id)
);

CREATE INDEX invitation_uses_by_time ON invitation_uses (invitation_id, at, user_id);
CREATE INDEX invitation_uses_by_user ON invitation_uses (user_id);
CREATE INDEX invitation_uses_by_expiry ON invitation_uses (expires_at);

CREATE TABLE api_keys (
	id           text NOT NULL PRIMARY KEY,
	hash         bytea NOT NULL UNIQUE,
	name         text NOT NULL,
	scopes       text NOT NULL, -- list
	created_by   text NOT NULL,
	created_at   bigint NOT NULL,
	expires_at   bigint NOT NULL, -- 0 = never
	last_used_at bigint NOT NULL,
	revoked_at   bigint NOT NULL
);

CREATE INDEX api_keys_by_time ON api_keys (created_at, id);
CREATE INDEX api_keys_by_expiry ON api_keys (expires_at) WHERE expires_at <> 0;
CREATE INDEX api_keys_by_revocation ON api_keys (revoked_at) WHERE revoked_at <> 0;

-- What has to be sent to other servers. A row is written in the transaction that causes it.
CREATE TABLE deliveries (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind       text NOT NULL,
	target     text NOT NULL,
	user_id    text NOT NULL,
	session_id text NOT NULL, -- the claim sid
	subject    text NOT NULL, -- the claim sub
	payload    bytea,
	state      text NOT NULL CHECK (state IN ('waiting', 'sent', 'failed')),
	created_at bigint NOT NULL,
	next_at    bigint NOT NULL,
	attempts   bigint NOT NULL,
	last_error text NOT NULL
);

CREATE INDEX deliveries_waiting ON deliveries (kind, next_at, id) WHERE state = 'waiting';
CREATE INDEX deliveries_by_kind ON deliveries (kind, id);
CREATE INDEX deliveries_by_target ON deliveries (target, id);
CREATE INDEX deliveries_by_user ON deliveries (user_id, id) WHERE user_id <> '';
CREATE INDEX deliveries_by_state ON deliveries (state, id) WHERE state <> 'sent';
CREATE INDEX deliveries_by_time ON deliveries (created_at);

-- Which apps with back-channel logout were signed in from a session. A row becomes a delivery when
-- the session ends, and no other session renews it.
CREATE TABLE app_sessions (
	session    bytea NOT NULL, -- first_hash of the session
	app        text NOT NULL,
	session_id text NOT NULL, -- the claim sid
	user_id    text NOT NULL,
	subject    text NOT NULL,
	created_at bigint NOT NULL,
	PRIMARY KEY (session, app, session_id)
);

CREATE INDEX app_sessions_by_user ON app_sessions (user_id, app);

-- Counts in one hour, for the pictures of administrators.
CREATE TABLE statistics (
	hour  bigint NOT NULL,
	name  text NOT NULL,
	label text NOT NULL,
	count bigint NOT NULL,
	PRIMARY KEY (hour, name, label)
);

-- Faults that an administrator can do something about.
CREATE TABLE problems (
	source     text NOT NULL,
	code       text NOT NULL,
	first_at   bigint NOT NULL,
	last_at    bigint NOT NULL,
	count      bigint NOT NULL,
	request_id text NOT NULL,
	detail     text NOT NULL,
	PRIMARY KEY (source, code)
);

CREATE INDEX problems_by_time ON problems (last_at);

-- What the ACME client keeps: account, certificate and its key, challenges.
CREATE TABLE acme_files (
	name       text COLLATE "C" PRIMARY KEY,
	sealed     bytea NOT NULL, -- with the master key
	updated_at bigint NOT NULL
);

CREATE TABLE acme_locks (
	name       text PRIMARY KEY,
	owner      text NOT NULL,
	expires_at bigint NOT NULL
);

-- What the gateways of this database remember of their configuration.
CREATE TABLE remembered (
	name  text COLLATE "C" PRIMARY KEY, -- 'url'
	value text NOT NULL,
	since bigint NOT NULL
);
