// The authorities of this replica: is there one that signs, when does it end and what happens until then, what waits for somebody?
import {
  type AuthorityRecord,
  type AuthoritySettings,
  endOfPath,
  loadAuthorities,
  propagationSeconds,
  rotationTimes,
} from "../../../ca/index.ts";
import { formatTime } from "../../../runtime/index.ts";
import { authoritySettings } from "../../settings.ts";
import { type Finding, ok, problem } from "../result.ts";
import { span } from "../span.ts";
import type { Check } from "../world.ts";

export const authorityChecks: readonly Check[] = [
  {
    id: "authority.active",
    needs: "database",
    look: async ({ config, clock }, tx) => {
      const own = (await loadAuthorities(tx)).filter(({ replica }) => replica === config.replica);
      return [judgeActive(own, clock.now(), authoritySettings(config), config.replica)];
    },
  },
  {
    id: "authority.requests",
    needs: "database",
    look: async ({ config, clock }, tx) => {
      const own = (await loadAuthorities(tx)).filter(({ replica }) => replica === config.replica);
      return judgeRequests(own, clock.now());
    },
  },
  {
    id: "authority.tainted",
    needs: "database",
    look: async (_world, tx) => {
      const tainted = (await loadAuthorities(tx)).filter(({ state }) => state === "tainted");
      if (tainted.length === 0) return [ok("no authority is tainted")];
      return tainted.map(({ spkiSha256, since }) =>
        problem(
          "warning",
          `the authority ${spkiSha256} is tainted since ${formatTime(since)}: certificates under it are still accepted`,
          "an end to it, when everybody has renewed",
          `npx mesh-ca authority revoke ${spkiSha256}`,
        ),
      );
    },
  },
];

/** What is true of the active authority, and what will happen when. `now` Unix milliseconds. */
export function judgeActive(
  own: readonly AuthorityRecord[],
  now: number,
  settings: AuthoritySettings,
  replica: number,
): Finding {
  const active = own.find(({ state }) => state === "active");
  if (active?.issued === undefined) return judgeNone(own, replica);
  const { certificate } = active.issued;
  const endsAt = endOfPath(active.issued);
  const { prepareAt, activateAt } = rotationTimes(certificate.notBefore, endsAt);
  const name = `the authority ${active.spkiSha256.slice(0, 16)}`;
  if (now > endsAt) {
    return problem(
      "failed",
      `${name} ended at ${formatTime(endsAt)}: nothing is issued`,
      "an authority that is valid now",
      "npx mesh-ca authority prepare --recover (or csr --recover and import), then see docs/disaster-recovery.md",
    );
  }
  if (now < certificate.notBefore) {
    const expected = "an authority that is valid now";
    return problem("failed", `${name} begins at ${formatTime(certificate.notBefore)}`, expected, "timedatectl status");
  }
  const end = `${name} signs until ${formatTime(endsAt)} (${span(endsAt - now)})`;
  const successor = own.findLast(({ state }) => state === "prepared");
  if (successor !== undefined) {
    const known = (successor.preparedAt ?? now) + propagationSeconds(settings) * 1000;
    const at = Math.max(known, activateAt);
    if (at < endsAt - settings.minLeafTtlSeconds * 1000) {
      return ok(`${end}; its successor ${successor.spkiSha256.slice(0, 16)} takes over at ${formatTime(at)}`);
    }
    const found = `${end}; its successor is known to everybody only at ${formatTime(known)}`;
    return problem(
      "failed",
      found,
      "a successor in time",
      `npx mesh-ca authority activate ${successor.spkiSha256} --emergency`,
    );
  }
  const command = "npx mesh-ca authority list; then npx mesh-ca authority prepare, or csr and import (offline)";
  if (now >= activateAt) {
    const found = `${end}; there is no successor, and certificates get shorter until nothing is issued`;
    return problem("failed", found, `a successor since ${formatTime(prepareAt)}`, command);
  }
  // A little patience: the rotator looks now and then, people take days.
  if (now >= prepareAt + (activateAt - prepareAt) / 8) {
    const found = `${end}; it has no successor yet`;
    return problem(
      "warning",
      found,
      `one since ${formatTime(prepareAt)}, that takes over at ${formatTime(activateAt)}`,
      command,
    );
  }
  return ok(`${end}; a successor is prepared at ${formatTime(prepareAt)} and takes over at ${formatTime(activateAt)}`);
}

function judgeNone(own: readonly AuthorityRecord[], replica: number): Finding {
  const expected = `an active authority of replica ${replica}`;
  if (own.some(({ state }) => state === "requested")) {
    const found = "no authority yet: a request waits for its signature";
    return problem("failed", found, expected, "npx mesh-ca authority csr, then npx mesh-ca authority import FILE");
  }
  const found =
    own.length === 0 ? "no authority at all" : `authorities that are ${own.map(({ state }) => state).join(", ")}`;
  const command =
    own.length === 0 ? "npx mesh-ca init" : "npx mesh-ca authority prepare --recover; see docs/disaster-recovery.md";
  return problem("failed", found, expected, command);
}

function judgeRequests(own: readonly AuthorityRecord[], now: number): readonly Finding[] {
  const waiting = own.filter(({ state }) => state === "requested");
  if (waiting.length === 0) return [ok("no request waits for a signature")];
  return waiting.map(({ spkiSha256, createdAt }) =>
    problem(
      "warning",
      `the request ${spkiSha256} waits for its signature since ${formatTime(createdAt)} (${span(now - createdAt)})`,
      "a certificate from the enterprise CA",
      "npx mesh-ca authority csr prints it again; npx mesh-ca authority import FILE takes the answer",
    ),
  );
}
