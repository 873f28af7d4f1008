import type { ApiParts } from "../environment.ts";
import { toAddress } from "../http/public-address.ts";

/** A hook's token, this once, and where it is called. */
export const showToken = ({ publicUrl }: ApiParts, token: string) => ({
  token,
  url: toAddress(`/hooks/${token}`, publicUrl),
});
