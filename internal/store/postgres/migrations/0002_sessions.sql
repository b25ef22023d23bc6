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
	holder      text NOT NULL,
	codes       bytea[] NOT NULL, -- SHA-256 of each code that was tried
	state       text NOT NULL CHECK (state IN ('held', 'done', 'refused')),
	lease_until bigint NOT NULL,
	finished_at bigint NOT NULL,
	outcome     bytea,
	expires_at  bigint NOT NULL
);

CREATE INDEX claims_by_end ON claims (expires_at);
