-- One row is one authorization code and the token family that it opens: a code
-- is taken, and a refresh token moves on, by changing its row.
CREATE TABLE grants (
	family        text PRIMARY KEY,
	app           text NOT NULL,
	account_id    text NOT NULL REFERENCES accounts (id),
	subject       text NOT NULL,
	scopes        text[] NOT NULL,
	auth_time     bigint NOT NULL,
	session       bytea, -- hash of the session; NULL = none
	entry         text NOT NULL,
	app_id        text NOT NULL,
	open_id       text NOT NULL,
	created_at    bigint NOT NULL,
	expires_at    bigint NOT NULL,
	revoked_at    bigint NOT NULL,
	counter       integer NOT NULL,
	rotated_at    bigint NOT NULL,
	refresh       bytea, -- SHA-256 of the refresh token that is current
	previous      bytea, -- and of the one before it
	data          bytea,
	code_hash     bytea NOT NULL UNIQUE,
	redirect_uri  text NOT NULL,
	challenge     text NOT NULL,
	nonce         bytea NOT NULL, -- the client's, any bytes
	code_expires  bigint NOT NULL,
	code_taken_at bigint NOT NULL
);

CREATE INDEX grants_by_account ON grants (account_id);
CREATE INDEX grants_by_session ON grants (session) WHERE session IS NOT NULL;
CREATE INDEX grants_by_end ON grants (expires_at);

CREATE TABLE tokens (
	hash       bytea PRIMARY KEY, -- SHA-256 of the access token
	family     text NOT NULL,     -- a token whose family is gone is dead
	created_at bigint NOT NULL,
	expires_at bigint NOT NULL
);

CREATE INDEX tokens_by_end ON tokens (expires_at);
