// The configuration as the rooms below want it. Names differ only where a key belongs to two rooms.
import type { AuthoritySettings, IssuanceSettings } from "../ca/index.ts";
import type { Config } from "./config/index.ts";
import type { TtlBounds } from "./registry/index.ts";

export function authoritySettings({ authority, issuance }: Config): AuthoritySettings {
  return {
    keyAlgorithm: authority.keyAlgorithm,
    lifetimeSeconds: authority.lifetimeSeconds,
    clockSkewSeconds: issuance.clockSkewSeconds,
    maxLeafTtlSeconds: issuance.maxTtlSeconds,
    minLeafTtlSeconds: issuance.minTtlSeconds,
    refreshHintSeconds: authority.refreshHintSeconds,
    propagationFloorSeconds: authority.propagationFloorSeconds,
    rotatorTickSeconds: authority.rotatorTickSeconds,
    maxClockDifferenceSeconds: issuance.maxClockDifferenceSeconds,
  };
}

export function issuanceSettings({ issuance }: Config): IssuanceSettings {
  return issuance;
}

export function ttlBounds({ issuance }: Config): TtlBounds {
  return {
    defaultSeconds: issuance.defaultTtlSeconds,
    minSeconds: issuance.minTtlSeconds,
    maxSeconds: issuance.maxTtlSeconds,
  };
}
