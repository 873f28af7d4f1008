/** One recipient or sender of an e-mail: `user@example.com`, `Name <user@example.com>`, `"Doe, Jane" <user@example.com>`. */
import addressparser from "nodemailer/lib/addressparser";
import { hasControlCharacter } from "../control-characters.ts";

export interface Mailbox {
  /** Empty where only the address was given. */
  name: string;
  address: string;
}

const ADDRESS = String.raw`[^\s<>@,;:"()\\]+@[^\s<>@,;:"()\\]+`;
/** In quotes a name may hold what would end it; a quote and a backslash in it are escaped. */
const QUOTED_NAME = String.raw`"(?:[^"\\]|\\["\\])*"`;
/** Of a trimmed text. No two of its parts that repeat take the same characters, or a long text would take very long. */
const MAILBOX = new RegExp(
  String.raw`^(?:(?:${QUOTED_NAME}\s*|[^"<>@,;:()\\]*)<(${ADDRESS})>|(${ADDRESS}))$`,
);

/**
 * The one mailbox of a text; undefined where it has none, several, or what a mail program might read as several: the
 * parser that mail is sent with has to find the same address.
 */
export function parseMailbox(text: string): Mailbox | undefined {
  if (hasControlCharacter(text)) return undefined;
  const [, named, bare] = MAILBOX.exec(text.trim()) ?? [];
  const address = named ?? bare;
  if (address === undefined) return undefined;
  const [mailbox, ...others] = addressparser(text, { flatten: true });
  if (others.length > 0 || mailbox?.address !== address) return undefined;
  return { name: mailbox.name, address };
}
