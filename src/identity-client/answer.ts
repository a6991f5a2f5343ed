// Reads the answer to IssueX509Svid. The server is verified, and its answer is checked all the same: a certificate for another
// key, another name or by another issuer is refused here rather than at the first handshake.
import type { IssueX509SvidResponse } from "../proto/gen/meshca/identity/v1/identity.ts";
import { parseX509Svid, SpiffeId, type TrustDomain, X509SvidVerifier } from "../spiffe/index.ts";
import { encodePem, parseCertificate } from "../x509/index.ts";
import { IdentityClientError } from "./errors.ts";
import { Svid } from "./svid.ts";
import { reading, readSnapshot, type Snapshot } from "./trust-messages.ts";
import { stateOf, trustSetOf } from "./trust-state.ts";
import type { WorkloadKey } from "./workload-key.ts";

export interface ExpectedAnswer {
  readonly key: WorkloadKey;
  readonly trustDomain: TrustDomain;
  /** Set when renewing: the identity never changes. */
  readonly id: SpiffeId | undefined;
}

export interface Answer {
  readonly svid: Svid;
  readonly snapshot: Snapshot;
}

/**
 * The SVID and the trust in an answer.
 * @throws IdentityClientError MCA_SERVER_ANSWER_INVALID
 */
export function readAnswer(response: IssueX509SvidResponse, expected: ExpectedAnswer): Answer {
  return reading("certificate", () => {
    const chain = response.certificateChain.map((der) => parseCertificate(der));
    const leaf = chain[0];
    if (leaf === undefined) throw invalid("it holds no certificate");
    if (leaf.publicKey.spkiSha256 !== expected.key.spkiSha256) throw invalid("the certificate is for another key");
    const { id } = parseX509Svid(leaf);
    if (!id.equals(SpiffeId.parse(response.spiffeId))) throw invalid("the certificate and the answer name two IDs");
    if (expected.id !== undefined && !id.equals(expected.id)) {
      throw invalid(`a renewal of ${expected.id.toString()} came back as ${id.toString()}`);
    }
    if (!id.trustDomain.equals(expected.trustDomain)) throw invalid("the certificate is of another trust domain");
    if (response.trust === undefined) throw invalid("it tells no trust");
    const snapshot = readSnapshot(response.trust, expected.trustDomain);
    // At a moment inside its validity: a clock that is off is another fault, with a sentence of its own.
    const time = leaf.notBefore + (leaf.notAfter - leaf.notBefore) / 2;
    new X509SvidVerifier(trustSetOf(stateOf(snapshot))).verify(chain, time);
    const svid = new Svid(
      leaf,
      {
        id,
        chain,
        chainPem: chain.map(({ der }) => encodePem("CERTIFICATE", der)).join(""),
        renewAt: renewalTime(response.renewAt?.getTime(), leaf),
        rule: response.rule,
        lineage: response.lineage,
        logIndex: response.logIndex,
        shortenedBy: response.shortenedBy,
      },
      expected.key.pem,
    );
    return { svid, snapshot };
  });
}

/** The server's renew_at, or half the lifetime where that is missing or not within it. */
function renewalTime(told: number | undefined, leaf: { notBefore: number; notAfter: number }): number {
  if (told !== undefined && told > leaf.notBefore && told < leaf.notAfter) return told;
  return leaf.notBefore + (leaf.notAfter - leaf.notBefore) / 2;
}

function invalid(why: string): IdentityClientError {
  return new IdentityClientError(
    "MCA_SERVER_ANSWER_INVALID",
    `The server's answer cannot be used: ${why}. Nothing was changed; report this, it is a fault of the server.`,
  );
}
