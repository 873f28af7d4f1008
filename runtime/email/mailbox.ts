import addressparser from "nodemailer/lib/addressparser";
import { hasControlCharacter } from "../../core/control-characters.ts";

export interface Mailbox {
  /** Empty where only the address was given. */
  name: string;
  address: string;
}

/** The first mailbox of `user@example.com` or `Name <user@example.com>`; undefined where there is none. */
export function parseMailbox(text: string): Mailbox | undefined {
  if (hasControlCharacter(text)) return undefined;
  const [mailbox] = addressparser(text, { flatten: true });
  return mailbox && /^[^\s@]+@[^\s@]+$/.test(mailbox.address)
    ? { name: mailbox.name, address: mailbox.address }
    : undefined;
}
