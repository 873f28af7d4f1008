/**
 * Who is signed in. The key, or the token of an OpenID provider, is kept by this tab alone, in its session storage, and goes with each request in its header:
 * nothing that a browser sends by itself counts.
 */
import { type Client, createClient, type Schemas } from "../../client/client.ts";
import { apiUrl, namespaceOfAddress } from "../data/root.ts";

export type Caller = Schemas["Caller"];

const STORED = "bellhop.key";
/** Says that the stored key was made for this session alone. */
const IS_OWN = "bellhop.key.own";

export interface Session {
  key: string;
  caller: Caller;
  client: Client;
}

let current: Session | undefined;
const watchers = new Set<() => void>();

export const currentSession = () => current;

/** Called at each sign-in and sign-out. */
export function watchSession(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

function change(session: Session | undefined): void {
  current = session;
  for (const watcher of watchers) watcher();
}

/** For this tab: a reload finds it. */
export function keepKey(key: string, isOwn = false): void {
  sessionStorage.setItem(STORED, key);
  if (isOwn) sessionStorage.setItem(IS_OWN, "true");
  else sessionStorage.removeItem(IS_OWN);
}

const isStoredKeyOwn = () => sessionStorage.getItem(IS_OWN) !== null;

/** Why a key was not taken, in one sentence; undefined: it was. `isOwn`: it was made for this session alone. */
export async function signInByKey(key: string, isOwn = false): Promise<string | undefined> {
  const namespace = namespaceOfAddress === undefined ? {} : { namespace: namespaceOfAddress };
  const client = createClient({ baseUrl: apiUrl, key, ...namespace });
  try {
    const { data, error } = await client.GET("/v1/whoami");
    if (!data) return error?.detail ?? "The key was not accepted.";
    keepKey(key, isOwn);
    change({ key, caller: data, client });
    return undefined;
  } catch {
    return "The API cannot be reached.";
  }
}

/** The code of a sign-in link for a key of this session's own. */
export async function signInByCode(code: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`${apiUrl}/console/sign-in`, {
      ...{ method: "POST", headers: { "content-type": "application/json" } },
      body: JSON.stringify({ code }),
    });
    const body = (await answer.json()) as Schemas["ConsoleSession"] | Schemas["Problem"];
    if (!("key" in body)) return body.detail;
    // Before it is tried: the code is used up, and a reload is to find the key.
    keepKey(body.key, true);
    return await signInByKey(body.key, true);
  } catch {
    return "The API cannot be reached.";
  }
}

/** What a reload of the tab finds. */
export async function resumeSession(): Promise<string | undefined> {
  const key = sessionStorage.getItem(STORED);
  return key === null ? undefined : await signInByKey(key, isStoredKeyOwn());
}

export function forgetSession(): void {
  sessionStorage.removeItem(STORED);
  sessionStorage.removeItem(IS_OWN);
  change(undefined);
}

/** A key that was made for the session alone ends with it. */
export async function signOut(): Promise<void> {
  const session = current;
  const isOwn = isStoredKeyOwn();
  forgetSession();
  if (!session || !isOwn) return;
  const own = createClient({ baseUrl: apiUrl, key: session.key });
  await own.DELETE("/v1/keys/{id}", { params: { path: { id: session.caller.key.id } } }).catch(() => {});
}
