// What the bundle endpoint may tell. A SPIFFE bundle does not say whose it is, and an empty one says that everything was revoked
// (rule B-1): so nothing is told of another trust domain than the configured one, nor before there ever was an authority.
import type { AuthorityManager } from "../../ca/index.ts";
import type { TrustSet } from "../../spiffe/index.ts";
import { ApiError } from "../api-error.ts";

export interface PublishedTrustSources {
  readonly authorities: Pick<AuthorityManager, "records" | "trustSet" | "trustDomain">;
  /** As configured. */
  readonly trustDomain: string;
}

/** The trust to publish, also while nothing is issued. @throws ApiError MCA_BUNDLE_UNAVAILABLE */
export function publishedTrust({ authorities, trustDomain }: PublishedTrustSources): TrustSet {
  if (authorities.trustDomain.name !== trustDomain) {
    throw new ApiError(
      "MCA_BUNDLE_UNAVAILABLE",
      "This server's database belongs to another trust domain, whose bundle must not be taken for this one's. Its operator has to mend that; ask again later.",
    );
  }
  if (authorities.records().every(({ issued }) => issued === undefined)) {
    throw new ApiError(
      "MCA_BUNDLE_UNAVAILABLE",
      "This trust domain has no authority yet: its first one waits for a signature. Ask again later.",
    );
  }
  return authorities.trustSet();
}
