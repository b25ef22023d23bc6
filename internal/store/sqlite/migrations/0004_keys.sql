CREATE TABLE keys (
	id         TEXT PRIMARY KEY,
	slot       TEXT NOT NULL UNIQUE,
	use        TEXT NOT NULL,
	alg        TEXT NOT NULL,
	sealed     BLOB NOT NULL, -- with the master key, which is not in this database
	created_at INTEGER NOT NULL,
	active_at  INTEGER NOT NULL,
	retired_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT;
