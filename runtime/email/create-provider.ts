import { parseMailbox } from "../../core/contracts/mailbox.ts";
import { type Network, operatorsRules } from "../../core/egress/address-policy.ts";
import type { Egress } from "../../core/egress/egress.ts";
import { BellhopError } from "../../core/errors.ts";
import { createHttpProvider, type MailDialect } from "./http-provider.ts";
import type { MailProvider } from "./mail-provider.ts";
import { postmark } from "./postmark.ts";
import { resend } from "./resend.ts";
import { sendgrid } from "./sendgrid.ts";
import { createSmtpProvider } from "./smtp.ts";

export interface MailProviderOptions {
  egress: Egress;
  /** Networks in which no mail server may stand; `egress` has its own. Default: none. */
  deny?: readonly Network[] | undefined;
  /** EMAIL_FROM, checked here so that a wrong one is found at start. */
  from?: string | undefined;
}

const DIALECTS: Record<string, MailDialect> = { resend, postmark, sendgrid };

/**
 * From EMAIL_URL: `smtp://user:pass@host:587`, `smtps://…`, `resend://KEY`, `postmark://KEY`, `sendgrid://KEY`; the
 * latter three take `?endpoint=` for a regional host or a gateway. Throws `invalid_setting`, which never quotes the
 * URL: it holds the credentials.
 */
export function createMailProvider(
  emailUrl: string,
  { egress, deny = [], from }: MailProviderOptions,
): MailProvider {
  demandSender(from);
  const scheme = /^([a-z]+):\/\//i.exec(emailUrl)?.[1]?.toLowerCase() ?? "";
  if (scheme === "smtp" || scheme === "smtps")
    return createSmtpProvider(emailUrl, { rules: operatorsRules(deny) });
  const dialect = Object.hasOwn(DIALECTS, scheme) ? DIALECTS[scheme] : undefined;
  if (!dialect) {
    const known = ["smtp", "smtps", ...Object.keys(DIALECTS)].map((name) => `${name}://`);
    throw invalidSetting(`EMAIL_URL names no known provider; it begins with one of ${known.join(", ")}.`);
  }
  return createHttpProvider({ dialect, egress, ...parseKeyUrl(emailUrl, scheme) });
}

/** Throws `invalid_setting` where EMAIL_FROM is set and is no address. */
export function demandSender(from: string | undefined): void {
  if (from !== undefined && !parseMailbox(from))
    throw invalidSetting("EMAIL_FROM is not an address such as Bellhop <noreply@example.com>.");
}

/** By hand: as a URL's host a key would lose whatever a host may not hold. */
function parseKeyUrl(emailUrl: string, scheme: string): { key: string; endpoint: string | undefined } {
  const [authority = "", ...queries] = emailUrl.slice(`${scheme}://`.length).split("?");
  const key = decode(authority.replace(/\/$/, ""));
  if (!/^[\x21-\x7e]+$/.test(key))
    throw invalidSetting(`EMAIL_URL holds no API key; it has the form ${scheme}://KEY.`);
  const { endpoint, ...unknown } = Object.fromEntries(new URLSearchParams(queries.join("?")));
  if (Object.keys(unknown).length > 0)
    throw invalidSetting(`EMAIL_URL has an unknown option; ${scheme}:// knows endpoint.`);
  if (endpoint !== undefined && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? "")) {
    throw invalidSetting("EMAIL_URL's endpoint is not an http:// or https:// URL.");
  }
  return { key, endpoint };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function invalidSetting(message: string): BellhopError {
  return new BellhopError("invalid_setting", 500, message);
}
