/** Where a function is called over HTTP. */
import { unwrap } from "../client/client.ts";
import type { Session } from "./session.ts";

/** The namespace stands in it; without one that was asked for it is the key's own. */
export async function findFunctionUrl(
  { client, target }: Pick<Session, "client" | "target">,
  name: string,
): Promise<string> {
  const namespace = target.namespace ?? (await unwrap(client.GET("/v1/whoami"))).namespace;
  return `${target.url}/fn/${namespace}/${name}`;
}
