import { unwrap } from "../client/client.ts";

/** What was made or changed. A client may ask not to be shown it (`Prefer: return=minimal`); this one never does. */
export async function shown<Data>(asked: Parameters<typeof unwrap<Data>>[0]): Promise<NonNullable<Data>> {
  return (await unwrap(asked)) as NonNullable<Data>;
}
