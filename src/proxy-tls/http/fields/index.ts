// What the engines, the forwarder and the policies use of the fields' rules.
export { type Correlation, correlate } from "./correlation.ts";
export { checkHeadSize, headTooLarge, MAX_FIELDS, MAX_HEAD_BYTES } from "./head-size.ts";
export { parseHost, parseHostPattern } from "./host.ts";
export { fold, isProtected } from "./names.ts";
export {
  outgoingRequestFields,
  outgoingRequestTrailers,
  outgoingResponseFields,
  type RequestAdditions,
} from "./outgoing.ts";
export { type PathRelaxation, type PathRules, parsePath, parseTarget, pathRules, STRICT_PATH } from "./path.ts";
export { isForwarded } from "./roles.ts";
export { type RequestRules, type ResponseRules, requestRules, responseRules, type TrailerRules } from "./rules.ts";
export { assertSafeFields, checkField, NO_SAFE_FIELDS, type SafeFields, safe } from "./safe-fields.ts";
export { screenRequest } from "./screen-request.ts";
export { screenInterim, screenResponse } from "./screen-response.ts";
export { screenTrailers } from "./screen-trailers.ts";
export { viaId } from "./via.ts";
export { xfccElement } from "./xfcc.ts";
