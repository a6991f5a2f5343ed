// What the forwarder and the HTTP/2 engines use of the fields' rules.
export { type Correlation, correlate } from "./correlation.ts";
export { outgoingRequest } from "./outgoing.ts";
export type { PathRelaxation, PathRules } from "./path.ts";
export type { RequestRules, ResponseRules, TrailerRules } from "./rules.ts";
export { NO_SAFE_FIELDS, type SafeFields, safe } from "./safe-fields.ts";
export { screenRequest } from "./screen-request.ts";
export { xfccElement } from "./xfcc.ts";
