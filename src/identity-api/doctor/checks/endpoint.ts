// The bundle endpoint: is what it serves to other trust domains what the server tells its own clients? A cache in front, another service
// on the port or a server on another database shows here. A SPIFFE bundle does not say whose it is, so that nobody else would notice.
import type { TrustSnapshot } from "../../../proto/gen/meshca/identity/v1/identity.ts";
import { type Bundle, expectServer, parseBundle, TrustDomain, X509SvidVerifier } from "../../../spiffe/index.ts";
import { type Certificate, parseCertificate, sha256Hex } from "../../../x509/index.ts";
import { askBundle } from "../ask-bundle.ts";
import { type Finding, ok, problem, skipped } from "../result.ts";
import type { Check, DoctorWorld, RunningServer } from "../world.ts";

export const endpointChecks: readonly Check[] = [{ id: "bundle.endpoint", needs: "server", look: lookAtEndpoint }];

/** Trust may change between two questions: then they are asked again. */
const LOOKS = 3;

async function lookAtEndpoint(world: DoctorWorld, server: RunningServer): Promise<readonly Finding[]> {
  const { https } = world.config.listen;
  if (!https.enabled) return [skipped("The HTTPS listener is off: listen.https.enabled.")];
  if (https.port === 0) return [skipped("The HTTPS listener has no fixed port: listen.https.port.")];
  let finding = skipped("The server tells nothing of its trust: see bundle.served.");
  for (let look = 0; look < LOOKS; look++) {
    const before = await server.trust();
    if (before === undefined) return [finding];
    finding = await compare(world, before);
    if (finding.status === "ok" || (await server.trust())?.revision === before.revision) break;
  }
  return [finding];
}

async function compare({ config, clock }: DoctorWorld, told: TrustSnapshot): Promise<Finding> {
  const { https } = config.listen;
  const trustDomain = TrustDomain.parse(config.trustDomain);
  // A web certificate is for others to verify: whoever has it, the content decides.
  const own = https.certificateFile === null ? verifierOf(told, trustDomain) : undefined;
  const served = await askBundle(https, (chain) => {
    if (own !== undefined) expectServer(own.verify(chain, clock.now()));
  });
  const expected = `the bundle that the server tells: sequence ${told.sequence}, ${told.anchors.length} anchors`;
  if (served.kind === "failed") {
    const command = "read the server's notes in /readyz; is another program on listen.https.port?";
    return problem("failed", `${served.address} ${served.why}`, expected, command);
  }
  let bundle: Bundle;
  try {
    bundle = parseBundle(served.text, trustDomain);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return problem("failed", `${served.address} serves no bundle: ${why}`, expected, undefined);
  }
  const difference = differenceOf(bundle, told);
  if (difference === undefined) return ok(`${served.address} serves sequence ${told.sequence}, as the server tells it`);
  const command = "is another program on listen.https.port? Others federate with what is served there";
  return problem("failed", `${served.address} serves ${difference}`, expected, command);
}

function differenceOf(bundle: Bundle, told: TrustSnapshot): string | undefined {
  if (bundle.sequence !== told.sequence) return `sequence ${bundle.sequence ?? "none"}`;
  if (bundle.refreshHintSeconds !== told.refreshHintSeconds) return `a refresh hint of ${bundle.refreshHintSeconds} s`;
  const anchors = new Set(told.anchors.map((der) => sha256Hex(der)));
  const strangers = bundle.x509Authorities.filter(({ sha256 }) => !anchors.has(sha256));
  if (strangers.length > 0) return `${strangers.length} anchors that are not the server's`;
  return bundle.x509Authorities.length < anchors.size ? `${bundle.x509Authorities.length} anchors` : undefined;
}

function verifierOf(told: TrustSnapshot, trustDomain: TrustDomain): X509SvidVerifier {
  const read = (ders: readonly Uint8Array[]): Certificate[] => ders.map((der) => parseCertificate(der));
  return new X509SvidVerifier({
    trustDomain,
    anchors: read(told.anchors),
    authorities: read(told.authorities.map(({ certificate }) => certificate)),
    intermediates: read(told.authorities.flatMap(({ intermediates }) => intermediates)),
    distrustedSpkis: new Set(),
    revocations: [],
    sequence: told.sequence,
    revision: told.revision,
    refreshHintSeconds: told.refreshHintSeconds,
  });
}
