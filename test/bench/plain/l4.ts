// Plain Node: terminates mutual TLS and pipes the bytes to a target.
import { connect } from "node:net";
import { pipeline } from "node:stream";
import { createServer } from "node:tls";
import { serve, targetPort, tlsOptions } from "./program.ts";

serve(
  createServer({ ...tlsOptions, noDelay: true, allowHalfOpen: true }, (downstream) => {
    const upstream = connect({ host: "127.0.0.1", port: targetPort, noDelay: true, allowHalfOpen: true });
    pipeline(downstream, upstream, () => {});
    pipeline(upstream, downstream, () => {});
  }),
);
