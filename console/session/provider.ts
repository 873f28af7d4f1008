/**
 * Signing in at the OpenID provider: this tab goes there and is sent back. What proves that it was this tab stays in its
 * session storage meanwhile; neither it nor the token is ever in an address.
 */
import type { Schemas } from "../../client/client.ts";
import { apiUrl, consolePath } from "../data/root.ts";
import { keepKey } from "./session.ts";

const STORED = "bellhop.oidc";

/** What the provider is called; undefined: nobody signs in there. */
export const providerName =
  document.querySelector<HTMLMetaElement>('meta[name="bellhop-openid-provider"]')?.content || undefined;

interface Attempt extends Omit<Schemas["BegunSignIn"], "url"> {
  /** Where the tab was, and is brought back to. */
  place: string;
}

async function post<Answer extends object>(
  path: string,
  body?: object,
): Promise<Answer | Schemas["Problem"]> {
  const answer = await fetch(`${apiUrl}${path}`, {
    method: "POST",
    ...(body ? { headers: { "content-type": "application/json" }, body: JSON.stringify(body) } : {}),
  });
  return (await answer.json()) as Answer | Schemas["Problem"];
}

/** Leaves the page; or answers why not. */
export async function goToProvider(): Promise<string | undefined> {
  try {
    const begun = await post<Schemas["BegunSignIn"]>("/console/oidc/begin");
    if (!("url" in begun)) return begun.detail;
    const { url, ...kept } = begun;
    const attempt: Attempt = { ...kept, place: `${location.pathname}${location.search}` };
    sessionStorage.setItem(STORED, JSON.stringify(attempt));
    location.assign(url);
    return undefined;
  } catch {
    return "The API cannot be reached.";
  }
}

/** `query`: what the provider sent the tab back with. Leaves the page for where the tab was; or answers why not. */
export async function returnFromProvider(query: string): Promise<string | undefined> {
  const stored = sessionStorage.getItem(STORED);
  sessionStorage.removeItem(STORED);
  if (stored === null) return "The sign-in did not begin in this tab: begin here.";
  const { place, ...kept } = JSON.parse(stored) as Attempt;
  try {
    const session = await post<Schemas["ConsoleSession"]>("/console/oidc/finish", { ...kept, query });
    if (!("key" in session)) return session.detail;
    keepKey(session.key);
    location.replace(place === consolePath || place.startsWith(`${consolePath}/`) ? place : consolePath);
    return undefined;
  } catch {
    return "The API cannot be reached.";
  }
}
