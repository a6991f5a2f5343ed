// From a request as it was parsed to the request that is decided on and written. What comes out is end-to-end only and has one meaning;
// what has two is refused. Nothing here reads a body, and nothing here knows an identity.
import { NO_FIELDS, type RequestHead } from "../exchange.ts";
import type { RawRequestHead } from "../raw-head.ts";
import { badRequest, RefusedError } from "../refusal.ts";
import { checkHeadSize, headTooLarge, startBytes } from "./head-size.ts";
import { parseHost } from "./host.ts";
import { checkMethod, meansNoBody } from "./method.ts";
import { parseTarget } from "./path.ts";
import { RequestFields } from "./request-fields.ts";
import type { RequestRules } from "./rules.ts";

/**
 * Screens a request.
 * @param raw as it was parsed; its framing was decided by the codec
 * @throws RefusedError 400, 405, 417, 421, 431, 508
 */
export function screenRequest(raw: RawRequestHead, rules: RequestRules): RequestHead {
  const { version, method, target, framing } = raw;
  if (version === "2") checkHeadSize(startBytes(raw), raw.fields, NO_FIELDS, headTooLarge);
  checkMethod(method);
  const path = parseTarget(method, target, rules.path);
  const hasBody = framing.kind === "open" || (framing.kind === "length" && framing.bytes > 0);
  if (hasBody && !rules.allowBodyOnGet && meansNoBody(method)) throw refused("body-refused");
  const fields = new RequestFields(version, rules);
  fields.take(raw.fields);
  return {
    version,
    method,
    target,
    path,
    authority: authorityOf(raw.authority, fields.host, rules),
    fields: fields.finish(hasBody),
    body: framing,
    expectsContinue: hasBody && fields.expectsContinue,
    acceptsTrailers: fields.acceptsTrailers,
    close: version === "1.0" || fields.close,
  };
}

/** The one host that the request names. HTTP/2 may say it twice (RFC 9113 section 8.3.1), if it says the same. */
function authorityOf(pseudo: string | undefined, host: string | undefined, rules: RequestRules): string {
  const text = pseudo ?? host;
  if (text === undefined) throw refused("no-host");
  const authority = parseHost(text, rules.defaultPort);
  if (pseudo !== undefined && host !== undefined && parseHost(host, rules.defaultPort) !== authority) {
    throw refused("two-hosts");
  }
  if (rules.authorities?.matches(authority) === false) {
    throw new RefusedError({ status: 421, code: "MCA_PROXY_MISDIRECTED", reason: "authority" });
  }
  if (rules.covered?.matches(authority) === false) {
    throw new RefusedError({ status: 421, code: "MCA_PROXY_MISDIRECTED", reason: "server-name" });
  }
  return authority;
}

function refused(reason: string): RefusedError {
  return new RefusedError(badRequest(reason));
}
