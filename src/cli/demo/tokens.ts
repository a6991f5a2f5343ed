// Join tokens for the demo's workloads.
import type { Connection } from "../connection.ts";

/** A token whose holder becomes `service`. */
export async function createToken(server: Connection, service: string): Promise<string> {
  const request = { attributes: { service }, ttlSeconds: 0, server: "" };
  return (await server.call(server.tokens.createJoinToken.bind(server.tokens), request)).token;
}
