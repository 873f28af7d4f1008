/** Where attempts of http tasks are completed later. */
import type { Settings } from "../../core/config/settings.ts";
import { COMPLETE_PATH } from "../../core/contracts/completion.ts";
import { createCompletionTokens } from "../../core/secrets/completion-tokens.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";

/** Undefined where nobody said where the API is reached, or there is no key to make tokens with. */
export function findCompleteUrls({
  BELLHOP_PUBLIC_URL: base,
  BELLHOP_SECRETS_KEY: keys,
}: Pick<Settings, "BELLHOP_PUBLIC_URL" | "BELLHOP_SECRETS_KEY">):
  | ((run: Pick<ClaimedRun, "id" | "claimNo">) => string)
  | undefined {
  if (base === undefined || keys === undefined) return undefined;
  const tokens = createCompletionTokens(keys);
  return ({ id: runId, claimNo }) => `${base}${COMPLETE_PATH}/${tokens.make({ runId, claimNo })}`;
}
