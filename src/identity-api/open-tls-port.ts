// The server's own SVID and the TLS port that lives by it: the port opens, closes and opens again as the SVID comes and goes.
import { bytesEqual, type Certificate } from "../x509/index.ts";
import type { GrpcFront } from "./grpc/front.ts";
import type { OpenAuthority } from "./open-authority.ts";
import type { ActingParts } from "./parts.ts";
import type { ServerBase } from "./server-base.ts";
import { ServerIdentity } from "./server-identity.ts";
import { TlsPort } from "./tls-port.ts";

/** @throws TlsError MCA_TLS_LISTEN_FAILED */
export async function openTlsPort(
  base: ServerBase,
  { authorities, ledger }: OpenAuthority,
  parts: ActingParts,
  front: GrpcFront,
): Promise<{ readonly port: TlsPort; readonly identity: ServerIdentity }> {
  const { config, clock, logger, lifecycle, readiness, telemetry } = base;
  const identity = new ServerIdentity({
    issuer: parts.issuer,
    dnsNames: config.listen.grpc.dnsNames,
    isWellIssued: (leaf) => isWellIssued(leaf, authorities.published()),
    clock,
    logger,
  });
  await identity.start();
  lifecycle.add("server SVID", () => identity.close());
  const port = new TlsPort({
    address: config.listen.grpc,
    identity,
    attestors: parts.attestors,
    transport: front.transport,
    shown(leaf, { verdict, peerName, address }) {
      if (verdict.kind === "svid") ledger.lineages.markUsed(leaf.serialHex);
      parts.records.look(leaf, peerName, address);
    },
    limits: config.limits,
    clock,
    logger,
    metrics: telemetry.metrics,
  });
  await port.start();
  lifecycle.add("TLS port", () => front.drainThen(port, config.limits.shutdownGraceSeconds * 1000));
  const followTrust = authorities.onTrustChange(() => {
    port.rejudge();
    identity.lookNow();
  });
  lifecycle.add("trust follower", followTrust);
  // Without an authority there is no SVID: one reason is enough.
  readiness.add(() => {
    return authorities.health().kind === "ready" ? (identity.problem() ?? port.problem()) : undefined;
  });
  return { port, identity };
}

/** Whether the authority that signed this certificate is published, and its holders were not told to renew. */
function isWellIssued(
  { issuer, authorityKeyId }: Certificate,
  published: readonly { readonly certificate: Certificate; readonly state: string }[],
): boolean {
  return published.some(
    ({ certificate: { subject, subjectKeyId }, state }) =>
      state !== "tainted" &&
      bytesEqual(subject, issuer) &&
      authorityKeyId !== undefined &&
      subjectKeyId !== undefined &&
      bytesEqual(subjectKeyId, authorityKeyId),
  );
}
