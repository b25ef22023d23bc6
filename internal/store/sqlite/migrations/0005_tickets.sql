-- A ticket is the sign-in of a desktop by a phone. Visitors who are nobody yet
-- make these rows, so they are counted, and short-lived.
CREATE TABLE tickets (
	hash       BLOB PRIMARY KEY,  -- SHA-256 of the id that the code shows to everybody
	desktop    BLOB NOT NULL,     -- SHA-256 of the secret in the desktop's cookie
	app        TEXT NOT NULL,
	entry      TEXT NOT NULL,
	browser    TEXT NOT NULL,
	place      TEXT NOT NULL,
	number     TEXT NOT NULL,
	others     TEXT NOT NULL, -- JSON array
	state      TEXT NOT NULL CHECK (state IN ('open', 'held', 'approved', 'used', 'refused', 'wrong', 'dropped')),
	account_id TEXT NOT NULL,     -- the phone's, and its identity; '' = nobody holds it
	held_entry TEXT NOT NULL,
	app_id     TEXT NOT NULL,
	open_id    TEXT NOT NULL,
	auth_time  INTEGER NOT NULL,
	held_at    INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	data       BLOB
) STRICT;

-- With the state, so that counting and sweeping need not look at the rows.
CREATE INDEX tickets_by_end ON tickets (expires_at, state);
CREATE INDEX tickets_by_account ON tickets (account_id) WHERE account_id <> '';
