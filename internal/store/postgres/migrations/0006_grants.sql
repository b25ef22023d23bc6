-- Redeeming a code moves expires_at. As long as that was indexed, each
-- redemption made new entries in all the indexes. The sweeper now looks by
-- sweep_at, which only the sweeper moves; 0 = look at the next sweep.
ALTER TABLE grants ADD COLUMN sweep_at bigint NOT NULL DEFAULT 0;
DROP INDEX grants_by_end;
CREATE INDEX grants_by_sweep ON grants (sweep_at);

-- Room on the page for the row as it is after the redemption, so that no index
-- hears of it.
ALTER TABLE grants SET (fillfactor = 50);
