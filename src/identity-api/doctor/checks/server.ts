// What the running server says of itself: does it issue, what should somebody mend, who has not heard of the newest trust?
import { ok, problem, skipped } from "../result.ts";
import type { Check } from "../world.ts";

export const serverChecks: readonly Check[] = [
  {
    id: "server.ready",
    needs: "server",
    look: async (_world, { readiness }) => {
      if (readiness === undefined) {
        return [
          problem(
            "warning",
            "the operations listener does not answer",
            "an answer of /readyz",
            "look at listen.operations and at the server's log",
          ),
        ];
      }
      if (readiness.ready) return [ok("the server issues")];
      // The sentence holds all of it; where there are parts, each goes into its own column.
      return readiness.reasons.map(({ code, sentence, found, expected, command }) =>
        problem("failed", `${found ?? sentence} (${code})`, expected ?? "a server that issues", command),
      );
    },
  },
  {
    id: "server.notes",
    needs: "server",
    look: async (_world, { readiness }) => {
      const notes = readiness?.notes ?? [];
      if (notes.length === 0) return [ok("the server has nothing to complain about")];
      return notes.map(({ about, sentence }) =>
        problem("warning", `${about}: ${sentence}`, "nothing to mend", undefined),
      );
    },
  },
  {
    id: "server.watchers",
    needs: "server",
    look: async (_world, { metrics }) => {
      const behind = metrics.get("mesh_ca_trust_watchers_behind");
      if (behind === undefined) return [skipped("The server counts no acknowledgements of trust.")];
      const all = metrics.get("mesh_ca_trust_watchers") ?? 0;
      if (behind === 0) return [ok(`${all} watchers of trust, all up to date`)];
      const command = "npx mesh-ca authority list names them; they hold nothing up";
      return [
        problem(
          "warning",
          `${behind} of ${all} watchers of trust have not acknowledged the newest`,
          "all of them",
          command,
        ),
      ];
    },
  },
];
