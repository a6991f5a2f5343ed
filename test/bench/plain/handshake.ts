// Plain Node: mutual TLS and nothing behind it.
import { createServer } from "node:tls";
import { serve, tlsOptions } from "./program.ts";

serve(createServer(tlsOptions, (socket) => socket.on("error", () => {}).resume()));
