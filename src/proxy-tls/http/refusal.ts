// Why the proxy answers a request itself. A refusal is terminal: every later byte of the connection is dropped unread.

export type HttpRefusalCode =
  /** 400: not a request that we let through; `reason` says which rule. */
  | "MCA_PROXY_REQUEST_REFUSED"
  /** 403: a policy denied it, or none allowed it. */
  | "MCA_PROXY_DENIED"
  /** 405: CONNECT, TRACE and the like. */
  | "MCA_PROXY_METHOD_REFUSED"
  /** 408: the request did not arrive in time. */
  | "MCA_PROXY_REQUEST_TIMEOUT"
  /** 417: an expectation other than 100-continue. */
  | "MCA_PROXY_EXPECTATION_REFUSED"
  /** 421: a host that this listener or connection does not serve. */
  | "MCA_PROXY_MISDIRECTED"
  /** 431: more bytes or fields than a head may have. */
  | "MCA_PROXY_HEAD_TOO_LARGE"
  /** 505: HTTP/1.0 where the listener does not allow it, or something else. */
  | "MCA_PROXY_VERSION_REFUSED"
  /** 502: the target answered with what is no response that we let through. */
  | "MCA_PROXY_UPSTREAM_MALFORMED"
  /** 503: no connection to a target could be made, or it broke before it answered. */
  | "MCA_PROXY_UPSTREAM_UNAVAILABLE"
  /** 504: the target did not answer in time. */
  | "MCA_PROXY_UPSTREAM_TIMEOUT"
  /** 503: a limit of ours is reached, or we are shutting down. */
  | "MCA_PROXY_OVERLOADED"
  /** 508: the request has passed through this proxy before. */
  | "MCA_PROXY_LOOP";

export interface HttpRefusal {
  /** The status that the client sees. */
  readonly status: number;
  readonly code: HttpRefusalCode;
  /** Which rule, in kebab-case ("bare-lf", "two-hosts"): for the log, the metric and the body. A constant, never a caller's text. */
  readonly reason: string;
}

/** 400 with the rule that was broken. */
export function badRequest(reason: string): HttpRefusal {
  return { status: 400, code: "MCA_PROXY_REQUEST_REFUSED", reason };
}

/** 408: a request's body stopped. The engine answers it where nothing was answered, and the exchange's record says so. */
export const BODY_IDLE: HttpRefusal = { status: 408, code: "MCA_PROXY_REQUEST_TIMEOUT", reason: "body-idle" };

/** 502 with the rule that the target broke. */
export function badResponse(reason: string): HttpRefusal {
  return { status: 502, code: "MCA_PROXY_UPSTREAM_MALFORMED", reason };
}

/** A head that is refused. Thrown by parsers and screens, caught by the engine that called them; it never leaves an engine. */
export class RefusedError extends Error {
  readonly refusal: HttpRefusal;

  constructor(refusal: HttpRefusal) {
    super(refusal.reason);
    this.refusal = refusal;
  }
}

/** Any method may pass but the refused ones, so that there is no whole list: those that have a meaning everywhere. */
const ALLOWED = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const JSON_FIELDS = ["content-type", "application/json"] as const;
const METHOD_FIELDS = [...JSON_FIELDS, "allow", ALLOWED] as const;

/** The fields of such an answer: name, value ... A 405 says what would be taken (RFC 9110 section 15.5.6). */
export function refusalFields({ status }: HttpRefusal): readonly string[] {
  return status === 405 ? METHOD_FIELDS : JSON_FIELDS;
}

/** What a client is told: code and reason, as JSON. Both are constants of ours, so that nothing has to be escaped. */
export function refusalBody({ code, reason }: HttpRefusal): Uint8Array {
  return Buffer.from(`{"code":"${code}","reason":"${reason}"}\n`, "latin1");
}
