/** Which API a command talks to, with which key, and in which namespace. */
import { EXIT } from "./exit-codes.ts";
import { Failure, usageFailure } from "./failure.ts";
import { namedProfile, type Profile, type Profiles } from "./profiles.ts";

export interface Target {
  /** Without a slash at its end. */
  url: string;
  key: string;
  namespace: string | undefined;
  /** The profile, or undefined: the environment. */
  profile: string | undefined;
}

export interface Asked {
  profile?: string | undefined;
  url?: string | undefined;
  namespace?: string | undefined;
}

/**
 * A profile that was asked for counts most, then the environment (BELLHOP_URL and BELLHOP_API_KEY), then the current
 * profile. The key of a profile is sent to the address of that profile and to no other, that of the environment to
 * BELLHOP_URL; without one, to an address that was asked for by --url.
 */
export function chooseTarget(asked: Asked, env: NodeJS.ProcessEnv, { current, profiles }: Profiles): Target {
  const [envUrl, envKey] = [env["BELLHOP_URL"]?.trim(), env["BELLHOP_API_KEY"]?.trim()];
  const named = namedProfile(asked, env);
  const name = named ?? current;
  const profile: Profile | undefined = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (asked.profile !== undefined && profile === undefined) throw noProfile(name, "--profile");
  if (asked.profile === undefined && envKey) {
    const own = normalizeUrl(envUrl || undefined);
    const url = normalizeUrl(asked.url) ?? own;
    // Of a setting that lists several, new and old, the first one is the newest.
    const key = envKey.split(",")[0]!.trim();
    const namespace = asked.namespace ?? env["BELLHOP_NAMESPACE"];
    if (url === undefined) throw noAddress();
    if (own !== undefined && url !== own)
      throw usageFailure(
        `BELLHOP_API_KEY is for ${own}, the address in BELLHOP_URL, and is not sent to ${url}.`,
        "Set BELLHOP_URL to that address, or name a profile with --profile.",
      );
    return { url, key, namespace, profile: undefined };
  }
  if (profile === undefined) throw named === undefined ? notSignedIn() : noProfile(name, "BELLHOP_PROFILE");
  // A profile that was asked for has its own address, whatever the environment says.
  const wanted = asked.url ?? (asked.profile === undefined ? envUrl || undefined : undefined);
  const url = normalizeUrl(wanted ?? profile.url);
  if (url !== normalizeUrl(profile.url))
    throw usageFailure(
      `The profile ${name} is for ${profile.url}, and its key is not sent to ${url}.`,
      `Sign in there as well: bellhop login --profile NAME --url ${url}`,
    );
  const namespace = asked.namespace ?? env["BELLHOP_NAMESPACE"] ?? profile.namespace;
  return { url, key: profile.key, namespace, profile: name };
}

export function normalizeUrl(text: string): string;
export function normalizeUrl(text: string | undefined): string | undefined;
export function normalizeUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text)
    ? text
    : `${isLocal(text) ? "http" : "https"}://${text}`;
  const url = URL.parse?.(withScheme) ?? tryUrl(withScheme);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.search !== "")
    throw usageFailure(
      `${JSON.stringify(text)} is no address of an API.`,
      "It looks like https://bellhop.example.com.",
    );
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

/** Whether what is sent there can be read on the way. */
export function isReadableOnTheWay(url: string): boolean {
  const { protocol, host } = new URL(url);
  return protocol === "http:" && !isLocal(host);
}

const isLocal = (host: string) => /^(localhost|127(\.\d+){3}|\[::1\])(:|\/|$)/i.test(host);

function tryUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

/** @param by what names it */
function noProfile(name: string, by: string): Failure {
  return new Failure(`There is no profile ${JSON.stringify(name)}, which ${by} names.`, {
    exitCode: EXIT.forbidden,
    code: "no_profile",
    hint: `bellhop login --profile ${name} creates it; bellhop profiles list shows the profiles.`,
  });
}

function notSignedIn(): Failure {
  return new Failure("You are not signed in.", {
    exitCode: EXIT.forbidden,
    code: "not_signed_in",
    hint: "bellhop login asks for the address and a key, or set BELLHOP_URL and BELLHOP_API_KEY.",
  });
}

function noAddress(): Failure {
  return usageFailure("BELLHOP_API_KEY is set, and no address.", "Set BELLHOP_URL, or give --url.");
}
