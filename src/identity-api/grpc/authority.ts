// AuthorityService: which authority signs, where its certificate comes from, how one follows another. What may be done and when is
// judged in ca/authority; here a call becomes one of its changes, with its cause: who asked, and why.
import {
  AuthorityError,
  type AuthorityManager,
  type Database,
  type ImportFile,
  type ImportOptions,
  type ImportReport,
  loadTransitions,
  takeoverTime,
  type Upstream,
  UpstreamError,
} from "../../ca/index.ts";
import { AuthorityServiceService, type ListAuthoritiesResponse } from "../../proto/gen/meshca/identity/v1/authority.ts";
import { nameToString, sha256Hex } from "../../x509/index.ts";
import { ApiError } from "../api-error.ts";
import { sheetOf } from "../ceremony.ts";
import type { Config } from "../config/index.ts";
import { type Acting, notIssuing, requireParts } from "../parts.ts";
import { authoritySettings } from "../settings.ts";
import type { AccessGate, AdmittedCaller } from "./access-gate.ts";
import { authorityMessage, importMessage, laggingMessage, requestMessage } from "./authority-messages.ts";
import type { Call, Calls } from "./calls.ts";
import { timeField } from "./convert.ts";
import type { MethodsOf } from "./definition.ts";
import type { TrustWatchers } from "./trust-watchers.ts";

export interface AuthorityServiceOptions {
  readonly calls: Calls;
  readonly gate: AccessGate;
  readonly acting: Acting;
  readonly authorities: AuthorityManager;
  readonly database: Database;
  readonly upstream: Upstream;
  readonly watchers: TrustWatchers;
  readonly config: Config;
}

const MAX_LISTED_WATCHERS = 100;
const MAX_REASON = 500;
const LEAST_DIGITS = 8;

export function authorityService(options: AuthorityServiceOptions): MethodsOf<typeof AuthorityServiceService> {
  const { calls, gate, acting, authorities } = options;
  const path = AuthorityServiceService;
  /** For whoever may change: the cause, as it is recorded. */
  const admitChange = async (call: Call): Promise<string> => {
    const caller = await gate.admit(call);
    requireParts(acting);
    await authorities.refresh();
    return causeOf(call, caller);
  };
  return {
    listAuthorities: calls.unary(path.listAuthorities, async (request, call) => {
      await gate.admit(call);
      return await list(options, request.includeRemoved);
    }),
    createAuthorityRequest: calls.unary(path.createAuthorityRequest, async (request, call) => {
      const cause = await admitChange(call);
      const { renew, recover: recovery, changeUpstream } = request;
      const made = await authorities.request(cause, { renew, recovery, changeUpstream });
      return {
        request: requestMessage(made),
        csrSha256: sha256Hex(made.csr),
        sheet: sheetOf(made, authorities.trustDomain, authoritySettings(options.config), request.csrFile),
      };
    }),
    importAuthority: calls.unary(path.importAuthority, async (request, call) => {
      const cause = await admitChange(call);
      const { dryRun, emergency, recover: recovery } = request;
      const files = request.files.map(({ name, content }) => ({ name, bytes: content }));
      const report = await importFiles(authorities, files, { cause, dryRun, emergency, recovery });
      return importMessage(report, dryRun);
    }),
    prepareAuthority: calls.unary(path.prepareAuthority, async (request, call) => {
      const cause = await admitChange(call);
      const { recover: recovery, changeUpstream } = request;
      return await authorities.prepare(cause, { recovery, changeUpstream });
    }),
    activateAuthority: calls.unary(path.activateAuthority, async (request, call) => {
      const cause = await admitChange(call);
      const spkiSha256 = findAuthority(authorities, request.authority);
      await authorities.activate(spkiSha256, { cause, emergency: request.emergency });
      return { spkiSha256 };
    }),
    rotateAuthority: calls.unary(path.rotateAuthority, async (_request, call) => {
      const { spkiSha256, activatesAt } = await authorities.rotate(await admitChange(call));
      return { spkiSha256, activatesAt: timeField(activatesAt) };
    }),
    taintAuthority: calls.unary(path.taintAuthority, async (request, call) => {
      const cause = await admitChange(call);
      const spkiSha256 = findAuthority(authorities, request.authority);
      const { emergency, spreadSeconds } = request;
      await authorities.taint(spkiSha256, { cause, emergency, ...(spreadSeconds === 0 ? {} : { spreadSeconds }) });
      return { spkiSha256 };
    }),
    revokeAuthority: calls.unary(path.revokeAuthority, async (request, call) => {
      const cause = await admitChange(call);
      const spkiSha256 = findAuthority(authorities, request.authority);
      const done = await authorities.revoke(spkiSha256, { cause, emergency: request.emergency });
      return { spkiSha256, distrusted: done.distrusted, enterpriseRequest: done.enterpriseRequest ?? "" };
    }),
    pruneAnchor: calls.unary(path.pruneAnchor, async (request, call) => {
      const cause = await admitChange(call);
      const anchor = findAnchor(authorities, request.anchor);
      await authorities.pruneRoot(anchor.sha256, cause);
      return anchor;
    }),
  };
}

async function list(options: AuthorityServiceOptions, includeRemoved: boolean): Promise<ListAuthoritiesResponse> {
  const { authorities, database, upstream, watchers } = options;
  await authorities.refresh();
  const history = await loadTransitions(database);
  const health = authorities.health();
  const lagging = watchers.lagging(MAX_LISTED_WATCHERS);
  const records = authorities.records();
  const settings = authoritySettings(options.config);
  return {
    authorities: records
      .filter(({ state }) => includeRemoved || state !== "removed")
      .map((record) => authorityMessage(record, history, takeoverTime(record, records, settings))),
    requests: authorities.pendingRequests().map(requestMessage),
    laggingWatchers: lagging.watchers.map(laggingMessage),
    laggingWatcherCount: lagging.count,
    watcherCount: watchers.size,
    revision: authorities.revision,
    upstream: upstream.kind,
    replica: authorities.replica,
    problemCode: health.kind === "ready" ? "" : health.code,
    problem: health.kind === "ready" ? "" : notIssuing(health).message,
  };
}

/** Files that cannot be read are findings like any other; a private key among them stays an error. */
async function importFiles(
  authorities: AuthorityManager,
  files: readonly ImportFile[],
  options: ImportOptions,
): Promise<ImportReport> {
  try {
    return await authorities.import(files, options);
  } catch (error) {
    const findings = error instanceof UpstreamError && error.code === "MCA_IMPORT_UNREADABLE" ? error.findings : [];
    if (findings.length === 0) throw error;
    return { kind: "refused", findings };
  }
}

/** Who asked, and why if they said so. The socket asks for a reason, the network does not. */
function causeOf({ connection }: Call, { reason }: AdmittedCaller): string {
  const who = `asked for by ${connection.peerName}`;
  return reason === undefined ? who : `${who}: ${reason.trim().slice(0, MAX_REASON)}`;
}

/** The authority that a key hash, or the beginning of one, means. @throws ApiError MCA_REQUEST_INVALID; AuthorityError */
function findAuthority(authorities: AuthorityManager, given: string): string {
  const digits = given.toLowerCase();
  if (!/^[0-9a-f]{1,64}$/.test(digits) || digits.length < LEAST_DIGITS) {
    throw new ApiError(
      "MCA_REQUEST_INVALID",
      `Name an authority by the SHA-256 of its key in hex, or by its first ${LEAST_DIGITS} digits or more. npx mesh-ca authority list shows them.`,
    );
  }
  const found = authorities.records().filter(({ spkiSha256 }) => spkiSha256.startsWith(digits));
  const [first, ...others] = found;
  if (first === undefined) {
    throw new AuthorityError(
      "MCA_AUTHORITY_UNKNOWN",
      `There is no authority ${digits}. npx mesh-ca authority list shows those that there are.`,
    );
  }
  if (others.length > 0)
    throw ambiguous(
      `authorities begin with ${digits}`,
      found.map(({ spkiSha256 }) => spkiSha256),
    );
  return first.spkiSha256;
}

/** The root that a subject, or a hash or the beginning of one, means. @throws ApiError MCA_REQUEST_INVALID; AuthorityError */
function findAnchor(authorities: AuthorityManager, given: string): { subject: string; sha256: string } {
  const anchors = authorities
    .trustSet()
    .anchors.map(({ subject, sha256 }) => ({ subject: nameToString(subject), sha256 }));
  const digits = given.toLowerCase();
  const byHash = /^[0-9a-f]+$/.test(digits) && digits.length >= LEAST_DIGITS;
  const found = anchors.filter(({ subject, sha256 }) => subject === given || (byHash && sha256.startsWith(digits)));
  const [first, ...others] = found;
  if (first === undefined) {
    const known = anchors.map(({ subject }) => subject).join("; ");
    throw new AuthorityError(
      "MCA_ANCHOR_UNKNOWN",
      `The bundle has no root of this name or SHA-256. Its roots are: ${known === "" ? "none" : known}.`,
    );
  }
  if (others.length > 0)
    throw ambiguous(
      "roots have this name",
      found.map(({ sha256 }) => sha256),
    );
  return first;
}

function ambiguous(what: string, hashes: readonly string[]): ApiError {
  return new ApiError("MCA_REQUEST_INVALID", `${hashes.length} ${what}. Name one: ${hashes.join(", ")}.`);
}
