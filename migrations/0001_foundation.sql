-- The foundation: one trust domain, its ledger, its authorities, its rules, tokens and lineages.
-- Times come as parameters from the program's clock, never from now(). The ledger tables only grow.

-- Roles exist per database cluster; the migration runner creates mesh_ca_app and mesh_ca_audit before the first migration.

CREATE TABLE trust_domain (
  singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  name         text NOT NULL,
  development  boolean NOT NULL,
  created_at   timestamptz NOT NULL
);

-- The ledger -----------------------------------------------------------------------------------------------------

CREATE TABLE ledger_head (
  singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  origin     text NOT NULL,
  size       bigint NOT NULL CHECK (size >= 0),
  -- Grows with every change of an identity rule: who holds the lock and sees the same number need not read the rules again.
  policy_revision  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

CREATE TABLE ledger_entry (
  log_index  bigint NOT NULL,
  leaf_hash  bytea NOT NULL,
  bytes      bytea NOT NULL,
  PRIMARY KEY (log_index)
) PARTITION BY RANGE (log_index);

-- A partitioned table cannot have a unique serial, so serials have a table of their own.
CREATE TABLE serial (
  serial     bytea PRIMARY KEY,
  log_index  bigint NOT NULL
);

CREATE TABLE issuance (
  log_index      bigint NOT NULL,
  kind           text COLLATE "C" NOT NULL,
  spiffe_id      text COLLATE "C" NOT NULL,
  serial         bytea NOT NULL,
  requester      text COLLATE "C" NOT NULL,
  lineage        uuid,
  rule           text COLLATE "C",
  rule_revision  bigint,
  authority      bytea NOT NULL,
  spki_sha256    bytea NOT NULL,
  issued_at      timestamptz NOT NULL,
  not_before     timestamptz NOT NULL,
  not_after      timestamptz NOT NULL,
  PRIMARY KEY (log_index)
) PARTITION BY RANGE (log_index);

-- By serial: through the table serial. By time: through ledger_span. Every index here costs each issuance.
CREATE INDEX issuance_spiffe_id ON issuance (spiffe_id, log_index);
-- A renewal is asked for by the identity itself: the index above serves those.
CREATE INDEX issuance_requester ON issuance (requester, log_index) WHERE requester <> spiffe_id;
CREATE INDEX issuance_lineage   ON issuance (lineage, log_index);
CREATE INDEX issuance_authority ON issuance (authority, log_index);

-- Which entry of kind svid.outcome tells how the issuance at log_index ended.
CREATE TABLE outcome (
  log_index      bigint NOT NULL,
  outcome_index  bigint NOT NULL,
  result         text NOT NULL CHECK (result IN ('signed', 'failed')),
  PRIMARY KEY (log_index)
) PARTITION BY RANGE (log_index);

-- What a block of 4,096 log indexes (block = log_index >> 12) holds: turns a time into bounds on the log index without assuming
-- that clocks never step back, and finds issuances without an outcome. The commit keeps it exact. A query aid: it proves nothing.
CREATE TABLE ledger_span (
  block           bigint PRIMARY KEY,
  issued_min      timestamptz,
  issued_max      timestamptz,
  not_before_min  timestamptz,
  not_after_max   timestamptz,
  issuances       integer NOT NULL,
  outcomes        integer NOT NULL
) WITH (fillfactor = 50);

-- Creates the partitions that hold the indexes from the head's up to below `up_to`, 2^22 entries each. Older ones may have been pruned.
CREATE FUNCTION ledger_ensure_partitions(up_to bigint) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  width CONSTANT bigint := 4194304;
  part bigint;
  parent text;
BEGIN
  FOR part IN (SELECT coalesce(max(size), 0) / width FROM public.ledger_head) .. (greatest(up_to, 1) - 1) / width LOOP
    FOREACH parent IN ARRAY ARRAY['ledger_entry', 'issuance', 'outcome'] LOOP
      IF to_regclass(format('public.%I', parent || '_p' || part)) IS NULL THEN
        EXECUTE format('CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%s) TO (%s)',
          parent || '_p' || part, parent, part * width, (part + 1) * width);
      END IF;
    END LOOP;
  END LOOP;
END $$;

SELECT ledger_ensure_partitions(4194304);

-- The head lock: every write to the ledger, and every change of a rule, a token, a lineage or a revocation, holds it.
CREATE FUNCTION ledger_lock_head(OUT size bigint, OUT policy_revision bigint)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  SELECT head.size, head.policy_revision INTO size, policy_revision FROM public.ledger_head head FOR UPDATE;
END $$;

-- Grows the log. A head that is not what the caller saw, or a log that would shrink, is an error.
CREATE FUNCTION ledger_advance(from_size bigint, to_size bigint) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  UPDATE public.ledger_head SET size = to_size WHERE size = from_size AND to_size > from_size;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'ledger head is not %, or would not grow to %', from_size, to_size USING ERRCODE = 'MC001';
  END IF;
END $$;

-- Authorities ----------------------------------------------------------------------------------------------------

CREATE TABLE authority (
  spki_sha256    bytea PRIMARY KEY,
  replica        smallint NOT NULL CHECK (replica BETWEEN 1 AND 127),
  state          text NOT NULL CHECK (state IN ('requested', 'prepared', 'active', 'retired', 'tainted', 'revoked', 'removed')),
  upstream       text NOT NULL,
  -- CA certificate, then the certificates up to the anchor (the anchor last), DER.
  certificate    bytea,
  intermediates  bytea[] NOT NULL DEFAULT '{}',
  anchor         bytea,
  not_before     timestamptz,
  not_after      timestamptz,
  created_at     timestamptz NOT NULL
);
-- One authority signs for a replica at a time.
CREATE UNIQUE INDEX authority_one_active ON authority (replica) WHERE state = 'active';

CREATE TABLE authority_transition (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  spki_sha256  bytea NOT NULL REFERENCES authority,
  from_state   text,
  to_state     text NOT NULL,
  cause        text NOT NULL,
  at           timestamptz NOT NULL,
  log_index    bigint NOT NULL
);

-- What WatchTrust tells. One row; it changes in the transaction of whatever changes trust.
CREATE TABLE trust_state (
  singleton          boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  revision           bigint NOT NULL,
  bundle_sequence    bigint NOT NULL,
  distrusted_spkis   bytea[] NOT NULL DEFAULT '{}'
);

-- Identity rules -------------------------------------------------------------------------------------------------

CREATE TABLE rule_set (
  source       text PRIMARY KEY CHECK (source IN ('config', 'api')),
  revision     bigint NOT NULL,
  -- SHA-256 of the canonical rules of the configuration file; a replica with another file is not ready.
  config_hash  bytea
);

CREATE TABLE identity_rule (
  name        text COLLATE "C" PRIMARY KEY,
  source      text NOT NULL CHECK (source IN ('config', 'api')),
  -- Grows with each change of this rule; never reused after a deletion (drawn from rule_revision_seq).
  revision    bigint NOT NULL,
  definition  jsonb NOT NULL,
  updated_at  timestamptz NOT NULL
);
CREATE SEQUENCE rule_revision_seq;

-- No change of a rule without the head lock, whoever makes it: or the re-read inside a commit would prove nothing.
CREATE FUNCTION identity_rule_changed() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  UPDATE public.ledger_head SET policy_revision = policy_revision + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER identity_rule_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON identity_rule
  FOR EACH STATEMENT EXECUTE FUNCTION identity_rule_changed();

-- Join tokens and lineages ---------------------------------------------------------------------------------------

CREATE TABLE join_token (
  secret_sha256   bytea PRIMARY KEY,
  id              uuid NOT NULL UNIQUE,
  -- The attestor instance whose attributes these are.
  attestor        text NOT NULL,
  attributes      jsonb NOT NULL,
  created_at      timestamptz NOT NULL,
  created_by      text NOT NULL,
  -- Revision of the rules when it was made. By a rule that is newer it earns no roles: nobody asked its maker for them.
  rules_revision  bigint NOT NULL DEFAULT 0,
  expires_at      timestamptz NOT NULL,
  redeemed_at     timestamptz,
  redeemed_spki   bytea,
  -- The issuance that answered it, and the lineage that it opened.
  redeemed_index  bigint,
  lineage         uuid,
  voided_at       timestamptz
);
CREATE INDEX join_token_expiry ON join_token (expires_at);

CREATE TABLE lineage (
  id              uuid PRIMARY KEY,
  spiffe_id       text COLLATE "C" NOT NULL,
  rule            text COLLATE "C" NOT NULL,
  attestor        text NOT NULL,
  -- Attributes as established at enrolment; renewal evaluates the rule again on these.
  attributes      jsonb NOT NULL,
  opened_at       timestamptz NOT NULL,
  frozen_at       timestamptz,
  frozen_cause    text,
  -- The newest child, and the serial of the one before it.
  current_serial     bytea NOT NULL,
  current_spki       bytea NOT NULL,
  current_index      bigint NOT NULL,
  -- It has authenticated a connection.
  current_used       boolean NOT NULL,
  current_issued_at  timestamptz NOT NULL,
  current_not_after  timestamptz NOT NULL,
  parent_serial      bytea,
  -- Token bucket of the quota: what is left, as of when.
  quota_left      double precision NOT NULL,
  quota_at        timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX lineage_rule ON lineage (rule);

-- Privileges -----------------------------------------------------------------------------------------------------

GRANT USAGE ON SCHEMA public TO mesh_ca_app, mesh_ca_audit;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO mesh_ca_app, mesh_ca_audit;
REVOKE SELECT ON join_token FROM mesh_ca_audit;
GRANT INSERT ON trust_domain, ledger_head, ledger_entry, serial, issuance, outcome, ledger_span, authority, authority_transition,
  trust_state, rule_set, identity_rule, join_token, lineage TO mesh_ca_app;
GRANT UPDATE ON ledger_span, authority, trust_state, rule_set, identity_rule, join_token, lineage TO mesh_ca_app;
GRANT DELETE ON identity_rule TO mesh_ca_app;
GRANT USAGE ON SEQUENCE rule_revision_seq TO mesh_ca_app;
REVOKE EXECUTE ON FUNCTION ledger_lock_head(), ledger_advance(bigint, bigint), ledger_ensure_partitions(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_lock_head(), ledger_advance(bigint, bigint), ledger_ensure_partitions(bigint) TO mesh_ca_app;
