/** What a mail provider is: it takes a message and says, in one vocabulary, what became of it. */
import { hasControlCharacter, toOneLine } from "../../core/control-characters.ts";
import type { Redactor } from "../../core/secrets/redact.ts";

export interface MailMessage {
  /** The Message-ID header, angle brackets included; the same for every attempt at one message. */
  messageId: string;
  /** `user@example.com` or `Name <user@example.com>`, as every address here. */
  from: string;
  to: string[];
  cc: string[];
  bcc: string[];
  replyTo?: string | undefined;
  subject: string;
  text?: string | undefined;
  html?: string | undefined;
  /** `content` is base64. */
  attachments: { filename: string; content: string; contentType?: string | undefined }[];
}

export interface MailReceipt {
  /** By which the provider knows the message. */
  messageId: string;
  accepted: string[];
  /** Recipients refused while others were accepted; when all are refused, `send` throws. */
  rejected: string[];
  /** The provider's own words. */
  response?: string;
}

export interface MailProvider {
  name: string;
  /** Resolves once the provider has taken the message over. Throws MailError only. */
  send(message: MailMessage, signal: AbortSignal): Promise<MailReceipt>;
  close(): Promise<void>;
}

/** Whose message it is. */
export interface MailOrigin {
  namespaceId: string;
  runId: string;
  /** Takes the task's secrets out of what is kept; absent: there is none in it. */
  redactor?: Redactor | undefined;
}

/** What messages are handed to: a provider, or what keeps them and so must know whose they are. */
export interface Mailer {
  name: string;
  /** As a provider's. */
  send(message: MailMessage, signal: AbortSignal, origin: MailOrigin): Promise<MailReceipt>;
  close(): Promise<void>;
}

export type MailErrorCode =
  /** An address, the subject or a file name holds a control character. */
  | "mail_invalid"
  /** A final refusal (5yz). */
  | "smtp_rejected"
  /** A refusal for now (4yz). */
  | "smtp_deferred"
  /** No connection, or it broke. */
  | "smtp_unavailable"
  | "mail_auth_failed"
  /** The provider's API refuses this message for good. */
  | "mail_provider_rejected"
  /** The provider's API is busy or broken. */
  | "mail_provider_error"
  | "mail_provider_unavailable"
  | "aborted";

export class MailError extends Error {
  readonly code: MailErrorCode;
  /** Whether the same message may be taken later. */
  readonly retryable: boolean;
  /** How long the provider asks to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: MailErrorCode,
    message: string,
    options: { retryable: boolean; retryAfterMs?: number | undefined },
  ) {
    super(message);
    this.name = "MailError";
    this.code = code;
    this.retryable = options.retryable;
    this.retryAfterMs = options.retryAfterMs;
  }
}

export function sendingAborted(): MailError {
  return new MailError("aborted", "Sending was aborted.", { retryable: true });
}

/**
 * A line break in a header field would let its author write further ones, and any other control character reaches the
 * mail server's terminal. Every provider calls this first.
 */
export function refuseControlCharacters(message: MailMessage): void {
  const { messageId, from, to, cc, bcc, replyTo = "", subject, attachments } = message;
  const fields: Record<string, string[]> = {
    ...{ "message id": [messageId], from: [from], to, cc, bcc, replyTo: [replyTo], subject: [subject] },
    attachments: attachments.flatMap(({ filename, contentType = "" }) => [filename, contentType]),
  };
  for (const [name, texts] of Object.entries(fields)) {
    if (!texts.some(hasControlCharacter)) continue;
    const message = `The e-mail was not sent: ${name} holds a line break or another control character.`;
    throw new MailError("mail_invalid", message, { retryable: false });
  }
}

const MAX_QUOTED_CHARS = 300;

/** Makes a remote side's words fit to be shown: one line, bounded, without the given secrets. */
export function createQuoter(secrets: string[]): (text: string) => string {
  const hidden = secrets
    .filter((secret) => secret !== "")
    .flatMap((secret) => [secret, Buffer.from(secret).toString("base64")]);
  return (text) => {
    let quoted = text;
    for (const secret of hidden) quoted = quoted.replaceAll(secret, "***");
    return toOneLine(quoted).slice(0, MAX_QUOTED_CHARS);
  };
}
