// The arithmetic of the rotation: can a successor always take over before the last certificate has ended? For the settings, and for
// the chain as it really is, which may end sooner than the settings think.
import {
  type AuthoritySettings,
  checkRotationSettings,
  endOfPath,
  loadAuthorities,
  propagationSeconds,
} from "../../../ca/index.ts";
import { MeshCaError } from "../../../runtime/index.ts";
import { authoritySettings } from "../../settings.ts";
import { type Finding, ok, problem, skipped } from "../result.ts";
import { span } from "../span.ts";
import type { Check } from "../world.ts";

export const rotationChecks: readonly Check[] = [
  {
    id: "rotation.settings",
    needs: "nothing",
    look: async ({ config }) => [judgeArithmetic(authoritySettings(config), "with these settings")],
  },
  {
    id: "rotation.chain",
    needs: "database",
    look: async ({ config }, tx) => {
      const own = (await loadAuthorities(tx)).filter(({ replica }) => replica === config.replica);
      const findings = own.flatMap(({ state, issued, spkiSha256 }): readonly Finding[] => {
        if (issued === undefined || (state !== "active" && state !== "prepared")) return [];
        const lifetimeSeconds = Math.floor((endOfPath(issued) - issued.certificate.notBefore) / 1000);
        const settings = { ...authoritySettings(config), lifetimeSeconds };
        return [judgeArithmetic(settings, `for the ${state} authority ${spkiSha256.slice(0, 16)}`)];
      });
      return findings.length > 0 ? findings : [skipped("There is no authority whose chain could be looked at.")];
    },
  },
];

function judgeArithmetic(settings: AuthoritySettings, where: string): Finding {
  const { lifetimeSeconds, maxLeafTtlSeconds, clockSkewSeconds, rotatorTickSeconds } = settings;
  try {
    checkRotationSettings(settings);
  } catch (error) {
    if (!(error instanceof MeshCaError)) throw error;
    const expected = "a leaf's life within a sixth, propagation within a third of the authority's life";
    return problem("failed", `${where}: ${error.message}`, expected, "npx mesh-ca config check");
  }
  const leaf = maxLeafTtlSeconds + 2 * clockSkewSeconds + rotatorTickSeconds;
  const seconds = (value: number): string => span(value * 1000);
  return ok(
    `${where}: leaf ${seconds(leaf)} <= L/6 ${seconds(lifetimeSeconds / 6)}, propagation ${seconds(propagationSeconds(settings))} <= L/3 ${seconds(lifetimeSeconds / 3)}`,
  );
}
