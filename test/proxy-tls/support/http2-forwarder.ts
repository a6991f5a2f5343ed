// The least that joins an HTTP/2 server of ours to an HTTP/2 client of ours, for tests and measurements of the two engines alone.
import type {
  ClientExchange,
  HttpClientConnection,
  RequestHandler,
  ServerEvents,
} from "../../../src/proxy-tls/http/exchange.ts";
import { NO_FIELDS } from "../../../src/proxy-tls/http/exchange.ts";

/** Forwards every request to the connection that `upstream` gives. */
export function forwardTo(upstream: () => HttpClientConnection): RequestHandler {
  return (exchange): ServerEvents => {
    let over = false;
    const client: ClientExchange = upstream().request(exchange.request, {
      interim: (status, fields) => exchange.interim(status, fields),
      head: (head) => exchange.respond(head),
      data: (chunk) => {
        if (!exchange.write(chunk)) client.pauseBody();
      },
      end: (trailers) => {
        over = true;
        exchange.end(trailers);
      },
      writable: () => exchange.resumeBody(),
      failed: ({ cause }) => {
        over = true;
        const refusal =
          cause.kind === "malformed"
            ? cause.refusal
            : ({ status: 503, code: "MCA_PROXY_UPSTREAM_UNAVAILABLE", reason: cause.kind } as const);
        exchange.refuse(refusal, NO_FIELDS);
      },
    });
    return {
      data: (chunk) => {
        if (!over && !client.write(chunk)) exchange.pauseBody();
      },
      end: (trailers) => {
        if (!over) client.end(trailers);
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
