/** `/targets`: where the workers of this machine answer, for Prometheus' http_sd. Beside the probes, without a key. */
import type { Probes } from "../../core/telemetry/probes.ts";

/** `[{"targets": ["10.0.0.4:41234"]}]`, host:port of each running worker; `[]` at zero. */
export function withTargets(probes: Probes, listAddresses: () => string[]): Probes {
  return async (path) => {
    if (path !== "/targets") return await probes(path);
    const targets = listAddresses();
    return {
      status: 200,
      contentType: "application/json",
      body: JSON.stringify(targets.length === 0 ? [] : [{ targets }]),
    };
  };
}
