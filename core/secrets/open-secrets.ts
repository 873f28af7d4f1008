import { BellhopError, messageOf } from "../errors.ts";
import type { Sealer, SecretPlace } from "./sealer.ts";

export interface SealedSecret extends SecretPlace {
  sealed: Buffer;
}

/** With their values. Throws `secrets_unavailable`; the error names no value. */
export function openSecrets(
  secrets: SealedSecret[],
  sealer: Sealer | undefined,
): (SealedSecret & { value: string })[] {
  const refuse = (reason: string) => new BellhopError("secrets_unavailable", 503, reason);
  if (secrets.length > 0 && !sealer) throw refuse("BELLHOP_SECRETS_KEY is not set.");
  try {
    return secrets.map((secret) => ({ ...secret, value: sealer!.open(secret, secret.sealed) }));
  } catch (error) {
    throw refuse(messageOf(error));
  }
}
