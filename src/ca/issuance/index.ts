export { IssuanceError, type IssuanceErrorCode } from "./errors.ts";
export { Issuer, type IssuerOptions } from "./issuer.ts";
export type { Grant, IssuedX509Svid, Requester, ServerSvidRequest, X509SvidRequest } from "./request.ts";
export { DEFAULT_ISSUANCE_SETTINGS, type IssuanceSettings } from "./settings.ts";
