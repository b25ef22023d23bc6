CREATE TABLE sessions (
	hash       bytea PRIMARY KEY, -- SHA-256 of the id in the cookie
	account_id text NOT NULL REFERENCES accounts (id),
	entry      text NOT NULL,
	app_id     text NOT NULL,
	open_id    text NOT NULL,
	door       text NOT NULL,
	auth_time  bigint NOT NULL,
	created_at bigint NOT NULL,
	seen_at    bigint NOT NULL,
	expires_at bigint NOT NULL,
	data       bytea
);

CREATE INDEX sessions_by_account ON sessions (account_id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE claims (
	key         text PRIMARY KEY,
	code        text NOT NULL,
	owner       text NOT NULL,
	lease       bigint NOT NULL,
	expires_at  bigint NOT NULL,
	outcome     text NOT NULL, -- '' = not finished
	finished_at bigint NOT NULL,
	told        text NOT NULL
);

CREATE INDEX claims_by_end ON claims (expires_at);
