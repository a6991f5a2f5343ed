-- Authorities that people sign, and the whole of their lives: requests that wait, successors that are to sign early, taint with
-- its spread, revocation by the upstream, roots that were pruned.

ALTER TABLE authority
  -- PKCS#10, DER, of an authority whose certificate people sign in their own time; null where the upstream answers at once, or
  -- where a crash came between the record of the request and its signature.
  ADD COLUMN csr                       bytea,
  -- An operator wants it to sign as soon as every client knows it, and not at 5/6 of its predecessor's life.
  ADD COLUMN activate_when_propagated  boolean NOT NULL DEFAULT false,
  -- Of a tainted one: over how many seconds the holders of its leaves spread their renewals.
  ADD COLUMN renew_spread_seconds      integer CHECK (renew_spread_seconds >= 0),
  -- Of one whose chain the upstream revoked: which certificate, and who says so.
  ADD COLUMN upstream_revocation       text,
  -- When the destruction of its private key was recorded; null of a removed one: a crash came between.
  ADD COLUMN key_destroyed_at          timestamptz;

-- SHA-256 of upstream roots that an operator took out of the bundle: no authority brings them back without being told to.
ALTER TABLE trust_state ADD COLUMN pruned_anchors bytea[] NOT NULL DEFAULT '{}';

-- The application's rights on these tables (INSERT and UPDATE on authority and trust_state) reach new columns too: nothing to grant.

-- Which authorities may sign is read again under the head lock whenever policy_revision has grown, as rules are: no replica, however
-- late its news, issues under an authority that another one has retired, tainted or revoked.
CREATE FUNCTION authority_state_changed() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  UPDATE public.ledger_head SET policy_revision = policy_revision + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER authority_state_changed AFTER INSERT OR UPDATE OF state OR DELETE OR TRUNCATE ON authority
  FOR EACH STATEMENT EXECUTE FUNCTION authority_state_changed();
