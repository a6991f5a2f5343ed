// Rules between keys. A setting that will cause an outage is refused at start (invariant 4).
import { checkRotationSettings } from "../../ca/index.ts";
import { ConfigError } from "../../runtime/config/index.ts";
import { authoritySettings } from "../settings.ts";
import type { Config } from "./schema.ts";

/** Throws ConfigError MCA_CONFIG_UNSAFE or _INVALID, and AuthorityError MCA_ROTATION_IMPOSSIBLE with the arithmetic. */
export function checkConfig(config: Config): void {
  checkLifetimes(config);
  checkRotationSettings(authoritySettings(config));
  checkUpstream(config);
  checkDatabase(config);
  checkAttestors(config);
  checkAddress(config.listen.grpc.publicAddress);
  checkHttps(config.listen.https);
}

function checkHttps({ certificateFile, keyFile }: Config["listen"]["https"]): void {
  if ((certificateFile === null) === (keyFile === null)) return;
  const [present, missing] = certificateFile === null ? ["keyFile", "certificateFile"] : ["certificateFile", "keyFile"];
  throw new ConfigError(
    "MCA_CONFIG_INVALID",
    `listen.https.${present} is set and ${missing} is not. Set both, or none for the server's own SVID.`,
  );
}

function checkLifetimes({ issuance }: Config): void {
  const { minTtlSeconds, defaultTtlSeconds, maxTtlSeconds } = issuance;
  if (minTtlSeconds > defaultTtlSeconds || defaultTtlSeconds > maxTtlSeconds) {
    throw new ConfigError(
      "MCA_CONFIG_UNSAFE",
      `issuance: minTtlSeconds (${minTtlSeconds}) <= defaultTtlSeconds (${defaultTtlSeconds}) <= maxTtlSeconds (${maxTtlSeconds}) must hold. Change one of them.`,
    );
  }
}

function checkUpstream({ authority }: Config): void {
  const { upstream, disk } = authority;
  const set = Object.entries(disk).flatMap(([key, value]) => (value === null ? [] : [`authority.disk.${key}`]));
  if (upstream !== "disk" && set.length > 0) {
    throw new ConfigError(
      "MCA_CONFIG_INVALID",
      `${set.join(", ")}: used only with authority.upstream: disk, found ${upstream}. Set authority.upstream: disk, or remove authority.disk.`,
    );
  }
  if (upstream === "disk" && (disk.certificateFile === null || disk.keyFile === null)) {
    throw new ConfigError(
      "MCA_CONFIG_INVALID",
      `authority.upstream: disk needs authority.disk.certificateFile and authority.disk.keyFile; found ${set.length === 0 ? "neither" : `only ${set.join(", ")}`}. Name the issuing CA's certificate and key.`,
    );
  }
}

function checkDatabase({ database }: Config): void {
  if (database.url !== null && database.urlFile !== null) {
    throw new ConfigError("MCA_CONFIG_INVALID", "database.url and database.urlFile are both set. Leave one of them.");
  }
  if (database.caFile !== null && database.tls !== "verify-full") {
    throw new ConfigError(
      "MCA_CONFIG_INVALID",
      "database.caFile is used only with database.tls: verify-full. Change one of them.",
    );
  }
}

function checkAttestors({ attestors }: Config): void {
  for (const [name, attestor] of Object.entries(attestors)) {
    if (!/^[a-z][a-z0-9-]{0,62}$/.test(name) || name === "agent") {
      throw new ConfigError(
        "MCA_CONFIG_INVALID",
        `attestors.${name}: the name must be 1 to 63 characters a-z, 0-9 and "-", begin with a letter, and not be "agent". Rename the instance.`,
      );
    }
    if (attestor.kind !== "jwt") continue;
    const sources = [attestor.jwksFile !== null, attestor.jwksUrl !== null, attestor.discovery].filter(Boolean).length;
    if (sources !== 1) {
      throw new ConfigError(
        "MCA_CONFIG_INVALID",
        `attestors.${name}: set exactly one of jwksFile, jwksUrl and discovery (found ${sources}).`,
      );
    }
    if (attestor.jwksUrl !== null && !attestor.jwksUrl.startsWith("https://")) {
      throw new ConfigError(
        "MCA_CONFIG_UNSAFE",
        `attestors.${name}.jwksUrl must begin with https://: whoever changes the keys becomes anybody.`,
      );
    }
  }
}

function checkAddress(address: string | null): void {
  if (address === null) return;
  const port = Number(/^(?:\[[0-9a-fA-F:.]+\]|[^\s:/@]+):(\d{1,5})$/.exec(address)?.[1] ?? "0");
  if (port < 1 || port > 65_535) {
    throw new ConfigError(
      "MCA_CONFIG_INVALID",
      `listen.grpc.publicAddress is ${JSON.stringify(address)}; it must be host:port, for example "ca.example.test:8443".`,
    );
  }
}
