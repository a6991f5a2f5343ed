// What the proxy would do with a request, from its very text: parsed by the codec and screened as on the wire, then decided. A request that
// never comes to a decision is told as that.
import type { InboundConfig } from "../config/listeners.ts";
import { requestRules } from "../http/fields/rules.ts";
import { screenRequest } from "../http/fields/screen-request.ts";
import { viaId } from "../http/fields/via.ts";
import { RequestParser } from "../http/h1/request-parser.ts";
import type { RawRequestHead } from "../http/raw-head.ts";
import { type HttpRefusal, RefusedError } from "../http/refusal.ts";
import type { ConnectionPolicyInput, HttpPolicyInput } from "./decision.ts";
import { type Explanation, explainDecision } from "./explain.ts";
import type { PolicySet } from "./policy-set.ts";

/** A request as a client writes it. No text may hold CR or LF. */
export interface RequestText {
  readonly method: string;
  /** The target with its query. */
  readonly path: string;
  readonly host: string;
  /** "name: value" */
  readonly headers: readonly string[];
}

export type RequestExplanation =
  | { readonly kind: "refused"; readonly refusal: HttpRefusal }
  | { readonly kind: "decided"; readonly http: HttpPolicyInput | undefined; readonly explanation: Explanation };

/**
 * Explains what an inbound listener would do.
 * @param request undefined: of a tcp connection
 */
export function explainRequest(
  policies: PolicySet,
  listener: InboundConfig,
  connection: ConnectionPolicyInput,
  request: RequestText | undefined,
): RequestExplanation {
  const explain = (http: HttpPolicyInput | undefined): RequestExplanation => ({
    kind: "decided",
    http,
    explanation: explainDecision(policies, { ...connection, http }),
  });
  if (request === undefined) return explain(undefined);
  try {
    const via = viaId("explain", listener.name, "");
    const { method, authority, path, fields } = screenRequest(
      parse(request),
      requestRules(listener, policies, via, () => undefined),
    );
    return explain({ method, authority, path, fields });
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    return { kind: "refused", refusal: error.refusal };
  }
}

/** @throws RefusedError */
function parse({ method, path, host, headers }: RequestText): RawRequestHead {
  const lines = [`${method} ${path} HTTP/1.1`, `host: ${host}`, ...headers];
  if (lines.some((line) => /[\r\n]/.test(line))) throw new TypeError("a line of a request holds CR or LF");
  let head: RawRequestHead | undefined;
  let refusal: HttpRefusal | undefined;
  const parser = new RequestParser(
    { allowHttp10: false },
    {
      head: (raw) => {
        head = raw;
      },
      refused: (reason) => {
        refusal = reason;
      },
      data: () => undefined,
      end: () => undefined,
    },
  );
  parser.execute(Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), 0);
  if (refusal !== undefined) throw new RefusedError(refusal);
  if (head === undefined) throw new TypeError("the codec neither took nor refused a whole head");
  return head;
}
