-- The refresh hint is in the trust bundle: a change of it moves the bundle's sequence (rule B-2), and replicas tell one and the same.
-- Null until a server with this schema has started.

ALTER TABLE trust_state ADD COLUMN refresh_hint_seconds integer CHECK (refresh_hint_seconds > 0);

-- The application's rights on trust_state reach new columns too: nothing to grant.
