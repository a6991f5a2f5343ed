// The least that joins an HTTP/2 server of ours to an HTTP/2 client of ours, for tests and measurements of the two engines alone.
import type {
  ClientExchange,
  HttpClientConnection,
  RequestHandler,
  ServerEvents,
} from "../../../src/proxy-tls/http/exchange.ts";
import { NO_SAFE_FIELDS, safe } from "../../../src/proxy-tls/http/fields/index.ts";

/** Forwards every request to the connection that `upstream` gives. */
export function forwardTo(upstream: () => HttpClientConnection): RequestHandler {
  return (exchange): ServerEvents => {
    let over = false;
    const client: ClientExchange = upstream().request(
      { ...exchange.request, fields: safe(exchange.request.fields) },
      {
        interim: (status, fields) => exchange.interim(status, safe(fields)),
        head: (head) => exchange.respond({ ...head, fields: safe(head.fields) }),
        data: (chunk) => {
          if (!exchange.write(chunk)) client.pauseBody();
        },
        end: (trailers) => {
          over = true;
          exchange.end(safe(trailers));
        },
        writable: () => exchange.resumeBody(),
        failed: ({ cause }) => {
          over = true;
          const refusal =
            cause.kind === "malformed"
              ? cause.refusal
              : ({ status: 503, code: "MCA_PROXY_UPSTREAM_UNAVAILABLE", reason: cause.kind } as const);
          exchange.refuse(refusal, NO_SAFE_FIELDS);
        },
      },
    );
    return {
      data: (chunk) => {
        if (!over && !client.write(chunk)) exchange.pauseBody();
      },
      end: (trailers) => {
        if (!over) client.end(safe(trailers));
      },
      aborted: () => {
        if (!over) client.abort();
        over = true;
      },
      writable: () => {
        if (!over) client.resumeBody();
      },
    };
  };
}
