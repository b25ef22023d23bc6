-- Times are microseconds since 1970, UTC; 0 is "never".

CREATE TABLE accounts (
	id          text PRIMARY KEY,
	nickname    text NOT NULL,
	avatar_url  text NOT NULL,
	locale      text NOT NULL,
	profile_at  bigint NOT NULL,
	status      text NOT NULL CHECK (status IN ('active', 'pending', 'blocked')),
	admin       boolean NOT NULL,
	groups      text[] NOT NULL,
	old_id      text NOT NULL,
	created_at  bigint NOT NULL,
	updated_at  bigint NOT NULL,
	joined_into text NOT NULL DEFAULT '' -- the older account; '' = this one stands for itself
);

CREATE INDEX accounts_by_age ON accounts (created_at, id) WHERE joined_into = '';
CREATE INDEX accounts_by_old_id ON accounts (old_id) WHERE old_id <> '' AND joined_into = '';
CREATE INDEX accounts_by_joined ON accounts (joined_into) WHERE joined_into <> '';

CREATE TABLE identities (
	app_id     text NOT NULL,
	open_id    text NOT NULL,
	account_id text NOT NULL REFERENCES accounts (id),
	entry      text NOT NULL,
	union_id   text NOT NULL,
	created_at bigint NOT NULL,
	seen_at    bigint NOT NULL,
	PRIMARY KEY (app_id, open_id)
);

-- At most one openid per appid and account, whatever the code above believes.
CREATE UNIQUE INDEX identities_by_account ON identities (account_id, app_id);
CREATE INDEX identities_by_union_id ON identities (union_id) WHERE union_id <> '';

-- One person arriving through two entries at once must meet himself, though
-- neither row is there yet: both lock the row of the unionid's number first.
-- Rows instead of advisory locks, which not every engine has.
CREATE TABLE arrival_locks (n integer PRIMARY KEY);
INSERT INTO arrival_locks SELECT generate_series(0, 1023);

CREATE TABLE subjects (
	account_id text NOT NULL REFERENCES accounts (id),
	app        text NOT NULL,
	subject    text NOT NULL,
	created_at bigint NOT NULL,
	PRIMARY KEY (account_id, app)
);

CREATE UNIQUE INDEX subjects_by_app ON subjects (app, subject);

CREATE TABLE events (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at         bigint NOT NULL,
	kind       text NOT NULL,
	account_id text NOT NULL,
	app        text NOT NULL,
	entry      text NOT NULL,
	door       text NOT NULL,
	outcome    text NOT NULL,
	request_id text NOT NULL,
	detail     text NOT NULL
);

CREATE INDEX events_by_account ON events (account_id, id) WHERE account_id <> '';
CREATE INDEX events_by_time ON events (at);
