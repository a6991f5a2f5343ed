// One context for each identity that a client shows, and one for those that show none: reading a certificate and a key for each
// connection costs as much as half a handshake. It holds nothing of any connection: sessions are in none of our options.
import { createSecureContext, type SecureContext } from "node:tls";
import type { TlsIdentity } from "./identity.ts";
import { clientTlsOptions } from "./options.ts";

/** By the object: an identity is immutable, and the next one is another object. Gone with the identity. */
const contexts = new WeakMap<TlsIdentity, SecureContext>();
let anonymous: SecureContext | undefined;

/**
 * The context of a client that shows `identity`, complete and by TLS 1.3 alone.
 * @throws what OpenSSL says of an identity that cannot be used
 */
export function clientContext(identity: TlsIdentity | undefined): SecureContext {
  if (identity === undefined) {
    anonymous ??= createSecureContext(clientTlsOptions(undefined, { alpn: [] }));
    return anonymous;
  }
  let context = contexts.get(identity);
  if (context === undefined) {
    context = createSecureContext(clientTlsOptions(identity, { alpn: [] }));
    contexts.set(identity, context);
  }
  return context;
}
