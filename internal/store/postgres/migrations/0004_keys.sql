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
