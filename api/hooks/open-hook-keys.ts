/** The keys that a hook's secrets are. */
import { PROBLEM_CODES } from "../../core/contracts/problem.ts";
import type { HookVerification } from "../../core/domain/hook.ts";
import { BellhopError, messageOf } from "../../core/errors.ts";
import { toSigningKey } from "../../core/secrets/hook-signature.ts";
import { openSecrets } from "../../core/secrets/open-secrets.ts";
import type { HookTarget } from "../../core/store/functions/hooks.ts";
import { loadNamedSecrets } from "../../core/store/secrets.ts";
import type { ApiParts } from "../environment.ts";

/** Of each hook: whoever has its token could fill the log. */
const WARNING_RATE = { limit: 1, perMs: 60_000 };

/**
 * Those of the secrets that are there, can be opened and are keys of the scheme: one that is not spoils no other. None:
 * nothing can be verified; 503 `secrets_unavailable` where that is for want of opening.
 */
export async function openHookKeys(
  { store, sealer, log, requestRates }: ApiParts,
  { namespaceId, hookId }: HookTarget,
  { scheme, secrets: names }: HookVerification,
): Promise<Buffer[]> {
  const keys: Buffer[] = [];
  const faults = Object.fromEntries(names.map((name) => [name, "is not there"]));
  let isUnopened = false;
  for (const secret of await loadNamedSecrets(store, namespaceId, names)) {
    try {
      const [opened] = openSecrets([secret], sealer);
      const key = toSigningKey(scheme, opened!.value);
      if (key) keys.push(key);
      else faults[secret.name] = `is no secret of ${scheme}`;
    } catch (error) {
      isUnopened = true;
      faults[secret.name] = messageOf(error);
    }
  }
  if (keys.length > 0) return keys;
  if (requestRates.take(`hook-warnings/${hookId}`, WARNING_RATE).isTaken)
    log.warn(
      { hookId, secrets: faults },
      "a hook refuses all calls: none of its secrets verifies a signature",
    );
  if (isUnopened) throw new BellhopError("secrets_unavailable", 503, PROBLEM_CODES.secrets_unavailable);
  return [];
}
