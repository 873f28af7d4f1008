/** SMTP with pooled connections: `smtp://user:pass@host:587` (STARTTLS where offered), `smtps://…` (TLS at once). */
import type { NodemailerError, SMTPPoolOptions } from "nodemailer";
import { type AddressRules, operatorsRules } from "../../core/egress/address-policy.ts";
import type { Resolve } from "../../core/egress/connector.ts";
import { EgressError } from "../../core/egress/egress-error.ts";
import { connectGuarded } from "../../core/egress/guarded-socket.ts";
import { BellhopError } from "../../core/errors.ts";
import {
  createQuoter,
  MailError,
  type MailMessage,
  type MailProvider,
  refuseControlCharacters,
  sendingAborted,
} from "./mail-provider.ts";

const CONNECT_TIMEOUT_MS = 10_000;
const GREETING_TIMEOUT_MS = 15_000;
const IDLE_SOCKET_TIMEOUT_MS = 60_000;

/** The settings that the URL's query may hold, each with its reader. */
const OPTIONS: Record<string, (value: string) => Partial<Omit<SMTPPoolOptions, "auth">> | undefined> = {
  /** Connections held at once; default 5. */
  maxConnections: (value) => readCount(value, 100, (maxConnections) => ({ maxConnections })),
  /** Messages per connection; default 100. */
  maxMessages: (value) => readCount(value, 1_000_000, (maxMessages) => ({ maxMessages })),
  /** Messages per second; default unlimited. */
  rateLimit: (value) => readCount(value, 100_000, (rateLimit) => ({ rateLimit })),
  /** Never STARTTLS. */
  ignoreTLS: (value) => readSwitch(value, (ignoreTLS) => ({ ignoreTLS })),
  /** No message without STARTTLS. */
  requireTLS: (value) => readSwitch(value, (requireTLS) => ({ requireTLS })),
  /** False accepts any certificate. */
  rejectUnauthorized: (value) => readSwitch(value, (rejectUnauthorized) => ({ tls: { rejectUnauthorized } })),
  /** The name to greet the server with; default the machine's own. */
  name: (value) => (/^[\w.-]{1,253}$/.test(value) ? { name: value } : undefined),
};

export interface SmtpPlaceOptions {
  /** Where the server may stand. Default: anywhere. */
  rules?: AddressRules | undefined;
  /** Default: the system's resolver. */
  resolve?: Resolve | undefined;
}

export function createSmtpProvider(
  emailUrl: string,
  { rules = operatorsRules([]), resolve }: SmtpPlaceOptions = {},
): MailProvider {
  const options = parseSmtpUrl(emailUrl);
  let opening: ReturnType<typeof openPool> | undefined;
  const { user = "", pass = "" } = options.auth ?? {};
  // Servers do quote what they were sent: AUTH PLAIN packs both into one text.
  const quote = createQuoter([pass, `\0${user}\0${pass}`]);
  return {
    name: "smtp",
    async send(message, signal) {
      refuseControlCharacters(message);
      try {
        opening ??= openPool(options, { rules, resolve });
        const transport = await opening;
        const sent = await transport.sendMail({ ...toMail(message), signal });
        const { accepted = [], rejected = [], response = "" } = sent;
        return { messageId: sent.messageId, accepted, rejected, response: quote(response) };
      } catch (error) {
        if (error instanceof EgressError) throw toUnreached(error);
        throw toMailError(error as NodemailerError, quote);
      }
    },
    async close() {
      (await opening)?.close();
    },
  };
}

/** The client is loaded with the first message: a worker that mails nothing starts without it. */
async function openPool(options: SmtpOptions, place: { rules: AddressRules; resolve: Resolve | undefined }) {
  const { default: nodemailer } = await import("nodemailer");
  const { host, port } = options;
  const getSocket: SMTPPoolOptions["getSocket"] = (_options, answer) => {
    connectGuarded({ host, port }, { ...place, connectTimeoutMs: CONNECT_TIMEOUT_MS }).then(
      (connection) => answer(null, { connection }),
      (error: Error) => answer(error, false),
    );
  };
  return nodemailer.createTransport({ ...options, getSocket, pool: true });
}

type SmtpOptions = Omit<SMTPPoolOptions, "auth"> & {
  host: string;
  port: number;
  auth?: { user: string; pass: string };
};

/** Throws `invalid_setting`; never quotes the URL, which holds the password. */
export function parseSmtpUrl(emailUrl: string): SmtpOptions {
  const url = URL.parse(emailUrl);
  if (!url?.hostname)
    throw invalidSmtpUrl(
      "must be a URL such as smtp://user:password@host:587 (percent-encode special characters)",
    );
  const secure = url.protocol === "smtps:";
  const options: Omit<SMTPPoolOptions, "auth"> = {};
  for (const [name, value] of url.searchParams) {
    const read = Object.hasOwn(OPTIONS, name) ? OPTIONS[name]!(value) : undefined;
    if (!read)
      throw invalidSmtpUrl(
        `has an unknown option, or one with a wrong value; known are ${Object.keys(OPTIONS).join(", ")}`,
      );
    Object.assign(options, read);
  }
  return {
    maxConnections: 5,
    ...options,
    host: decode(url.hostname).replace(/^\[|\]$/g, ""),
    port: url.port ? Number(url.port) : secure ? 465 : 587,
    secure,
    ...(url.username ? { auth: { user: decode(url.username), pass: decode(url.password) } } : {}),
    connectionTimeout: CONNECT_TIMEOUT_MS,
    dnsTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: GREETING_TIMEOUT_MS,
    socketTimeout: IDLE_SOCKET_TIMEOUT_MS,
    // One new connection for one found dead; further tries are the run's retry policy.
    maxRequeues: 1,
    // Content comes with the message, never from a path or a URL in it.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

function invalidSmtpUrl(what: string): BellhopError {
  return new BellhopError("invalid_setting", 500, `EMAIL_URL ${what}.`);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidSmtpUrl("has a % that does not begin a percent-encoded byte, such as %40");
  }
}

function readCount<T>(value: string, max: number, use: (count: number) => T): T | undefined {
  const count = /^\d{1,7}$/.test(value) ? Number(value) : 0;
  return count >= 1 && count <= max ? use(count) : undefined;
}

function readSwitch<T>(value: string, use: (on: boolean) => T): T | undefined {
  return value === "true" || value === "false" ? use(value === "true") : undefined;
}

function toMail(message: MailMessage) {
  const { attachments, ...rest } = message;
  return { ...rest, attachments: attachments.map((file) => ({ ...file, encoding: "base64" })) };
}

function toUnreached({ message, retryable }: EgressError): MailError {
  return new MailError("smtp_unavailable", `The mail server was not reached: ${message}`, { retryable });
}

function toMailError(error: NodemailerError, quote: (text: string) => string): MailError {
  const { code = "", responseCode, response = "" } = error;
  if (code === "EABORT") return sendingAborted();
  const permanent = error.permanent ?? false;
  if (code === "EAUTH" || code === "ENOAUTH") {
    const words = response === "" ? "" : `: ${quote(response)}`;
    return new MailError("mail_auth_failed", `The mail server refused the login${words}`, {
      retryable: responseCode !== undefined && !permanent,
    });
  }
  // Only these speak of the message; a reply to the greeting or to STARTTLS speaks of the connection.
  if (code === "EENVELOPE" || code === "EMESSAGE" || code === "ESTREAM") {
    if (responseCode === undefined) {
      return new MailError("smtp_rejected", `The message cannot be sent: ${quote(error.message)}`, {
        retryable: false,
      });
    }
    return permanent
      ? new MailError("smtp_rejected", `The mail server refused the message: ${quote(response)}`, {
          retryable: false,
        })
      : new MailError(
          "smtp_deferred",
          `The mail server did not take the message for now: ${quote(response)}`,
          { retryable: true },
        );
  }
  const reason = quote(response) || error.originalCode || code || quote(error.message);
  return new MailError("smtp_unavailable", `No working connection to the mail server (${reason}).`, {
    retryable: true,
  });
}
