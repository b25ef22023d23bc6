-- A ticket is the sign-in of a desktop by a phone. Visitors who are nobody yet
-- make these rows, so they are counted, and short-lived.
CREATE TABLE tickets (
	hash       bytea PRIMARY KEY,  -- SHA-256 of the id that the code shows to everybody
	desktop    bytea NOT NULL,     -- SHA-256 of the secret in the desktop's cookie
	app        text NOT NULL,
	entry      text NOT NULL,
	browser    text NOT NULL,
	place      text NOT NULL,
	number     text NOT NULL,
	others     text[] NOT NULL,
	state      text NOT NULL CHECK (state IN ('open', 'held', 'approved', 'used', 'refused', 'wrong', 'dropped')),
	account_id text NOT NULL,     -- the phone's, and its identity; '' = nobody holds it
	held_entry text NOT NULL,
	app_id     text NOT NULL,
	open_id    text NOT NULL,
	auth_time  bigint NOT NULL,
	held_at    bigint NOT NULL,
	created_at bigint NOT NULL,
	expires_at bigint NOT NULL,
	data       bytea
);

-- With the state, so that counting and sweeping need not look at the rows.
CREATE INDEX tickets_by_end ON tickets (expires_at, state);
CREATE INDEX tickets_by_account ON tickets (account_id) WHERE account_id <> '';

-- Whoever makes a ticket when there are nearly too many locks this row first:
-- otherwise all who count at the same moment find room for one more.
CREATE TABLE ticket_gate (n integer PRIMARY KEY);
INSERT INTO ticket_gate VALUES (1);
