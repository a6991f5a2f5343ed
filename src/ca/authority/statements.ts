// The statements that write authorities and what may be trusted, and those by which a change looks again under the head lock. They
// run in a ledger transaction, together with the entry that tells of the change (journal.ts, trust-journal.ts).
import type { SqlStatement } from "../store/index.ts";
import { PUBLISHED_STATES_SQL } from "./state.ts";

/** Whether an authority signed a leaf that is valid at $2. */
export const SELECT_LIVING_LEAVES: SqlStatement = {
  name: "authority_living_leaves",
  text: `SELECT EXISTS (
      SELECT 1 FROM ledger_span s, LATERAL (
        SELECT 1 FROM issuance i
        WHERE i.log_index >= s.block << 12 AND i.log_index < (s.block + 1) << 12 AND i.authority = $1 AND i.not_after > $2
        OFFSET 0
      ) leaf
      WHERE $1 = ANY (s.authorities) AND s.not_after_max > $2
    ) AS living`,
};

/** Identities whose newest certificate is valid at $1. */
export const COUNT_LIVING_IDENTITIES: SqlStatement = {
  name: "authority_living_identities",
  text: "SELECT count(*) AS living FROM lineage WHERE current_not_after > $1",
};

export const INSERT_TRUST_STATE: SqlStatement = {
  name: "trust_state_insert",
  text: "INSERT INTO trust_state (revision, bundle_sequence, refresh_hint_seconds) VALUES (1, 1, $1)",
};

export const ADVANCE_TRUST_STATE: SqlStatement = {
  name: "trust_state_advance",
  text: `UPDATE trust_state SET revision = revision + 1, bundle_sequence = bundle_sequence + $1
    RETURNING revision, bundle_sequence`,
};

/** Answers whether that is a change. */
export const UPDATE_REFRESH_HINT: SqlStatement = {
  name: "trust_refresh_hint",
  text: `UPDATE trust_state SET refresh_hint_seconds = $1 WHERE refresh_hint_seconds IS DISTINCT FROM $1
    RETURNING refresh_hint_seconds`,
};

export const NOTIFY_TRUST: SqlStatement = { name: "trust_notify", text: "SELECT pg_notify($1, $2)" };

/** The channel on which a change of trust is announced; the payload is the new revision. */
export const TRUST_CHANNEL = "mesh_ca_trust";

export const INSERT_AUTHORITY: SqlStatement = {
  name: "authority_insert",
  text: `INSERT INTO authority (spki_sha256, replica, state, upstream, created_at) VALUES ($1, $2, 'requested', $3, $4)`,
};

export const SELECT_STATE: SqlStatement = {
  name: "authority_state",
  text: "SELECT state, replica FROM authority WHERE spki_sha256 = $1",
};

export const UPDATE_STATE: SqlStatement = {
  name: "authority_set_state",
  text: "UPDATE authority SET state = $2 WHERE spki_sha256 = $1",
};

export const UPDATE_CERTIFICATE: SqlStatement = {
  name: "authority_set_certificate",
  text: `UPDATE authority SET certificate = $2, intermediates = $3, anchor = $4, not_before = $5, not_after = $6
    WHERE spki_sha256 = $1`,
};

export const UPDATE_CSR: SqlStatement = {
  name: "authority_set_csr",
  text: "UPDATE authority SET csr = $2 WHERE spki_sha256 = $1",
};

export const UPDATE_SCHEDULED: SqlStatement = {
  name: "authority_schedule",
  text: "UPDATE authority SET activate_when_propagated = true WHERE spki_sha256 = $1",
};

export const UPDATE_TAINT: SqlStatement = {
  name: "authority_set_taint",
  text: "UPDATE authority SET renew_spread_seconds = $2, upstream_revocation = $3 WHERE spki_sha256 = $1",
};

export const UPDATE_KEY_DESTROYED: SqlStatement = {
  name: "authority_set_key_destroyed",
  text: `UPDATE authority SET key_destroyed_at = $2 WHERE spki_sha256 = $1 AND key_destroyed_at IS NULL
    RETURNING spki_sha256`,
};

export const UPDATE_DISTRUSTED: SqlStatement = {
  name: "trust_state_distrust",
  text: `UPDATE trust_state SET distrusted_spkis = distrusted_spkis || $1::bytea
    WHERE NOT $1::bytea = ANY (distrusted_spkis)`,
};

export const UPDATE_PRUNED: SqlStatement = {
  name: "trust_state_prune",
  text: "UPDATE trust_state SET pruned_anchors = pruned_anchors || $1::bytea WHERE NOT $1::bytea = ANY (pruned_anchors)",
};

export const UPDATE_UNPRUNED: SqlStatement = {
  name: "trust_state_unprune",
  text: `UPDATE trust_state SET pruned_anchors = array_remove(pruned_anchors, $1::bytea)
    WHERE $1::bytea = ANY (pruned_anchors) RETURNING 1`,
};

/** The anchors in the bundle, as one text that changes with them. */
export const SELECT_ANCHORS: SqlStatement = {
  name: "trust_anchors",
  text: `SELECT coalesce(string_agg(DISTINCT encode(sha256(a.anchor), 'hex'), ' '), '') AS anchors
    FROM authority a, trust_state t
    WHERE a.state IN (${PUBLISHED_STATES_SQL}) AND NOT sha256(a.anchor) = ANY (t.pruned_anchors)`,
};

/** Published authorities under an anchor, by its SHA-256. */
export const SELECT_PUBLISHED_UNDER: SqlStatement = {
  name: "authority_published_under",
  text: `SELECT spki_sha256 FROM authority
    WHERE state IN (${PUBLISHED_STATES_SQL}) AND sha256(anchor) = $1`,
};

/** Whether an anchor is out of the bundle although an authority leads to it. */
export const SELECT_PRUNED: SqlStatement = {
  name: "trust_state_pruned",
  text: "SELECT 1 AS pruned FROM trust_state WHERE $1::bytea = ANY (pruned_anchors)",
};

/** Tokens that are waiting to be redeemed; nobody need know what they pin any more. */
export const VOID_TOKENS: SqlStatement = {
  name: "authority_void_tokens",
  text: `UPDATE join_token SET voided_at = $1 WHERE voided_at IS NULL AND redeemed_at IS NULL AND expires_at > $1
    RETURNING id`,
};

export const INSERT_TRANSITION: SqlStatement = {
  name: "authority_transition_insert",
  text: `INSERT INTO authority_transition (spki_sha256, from_state, to_state, cause, at, log_index)
    VALUES ($1, $2, $3, $4, $5, $6)`,
};
