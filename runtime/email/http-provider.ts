/** Providers with an HTTP API differ in their dialect alone: what a request and its answers look like. */
import { STATUS_CODES } from "node:http";
import type { Egress, EgressResponse } from "../../core/egress/egress.ts";
import { EgressError } from "../../core/egress/egress-error.ts";
import { parseRetryAfter } from "../../core/egress/retry-after.ts";
import { USER_AGENT } from "../../core/egress/user-agent.ts";
import type { Json } from "../../core/json.ts";
import {
  createQuoter,
  MailError,
  type MailMessage,
  type MailProvider,
  refuseControlCharacters,
  sendingAborted,
} from "./mail-provider.ts";

const MAX_RESPONSE_BYTES = 64 * 1024;

export interface MailDialect {
  name: string;
  /** Default base URL of the API. */
  endpoint: string;
  /** Below the endpoint: `/emails`. */
  path: string;
  headers(key: string, message: MailMessage): Record<string, string>;
  body(message: MailMessage): Json;
  /** From a 2xx answer. */
  messageIdOf(answer: Answer): string | undefined;
  /** From a refusal: what the provider says is wrong. */
  problemOf(answer: Answer): string | undefined;
  /** Answers to be tried again besides 408, 425, 429 and 5xx. */
  isTemporary?(answer: Answer): boolean;
  /** A wait told otherwise than by Retry-After, milliseconds. */
  retryAfterMsOf?(answer: Answer, now: Date): number | undefined;
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  /** The body where it is a JSON object; else empty. */
  json: { [key: string]: unknown };
}

export interface HttpProviderOptions {
  dialect: MailDialect;
  key: string;
  endpoint: string | undefined;
  egress: Egress;
}

export function createHttpProvider({
  dialect,
  key,
  endpoint = dialect.endpoint,
  egress,
}: HttpProviderOptions): MailProvider {
  const url = endpoint.replace(/\/+$/, "") + dialect.path;
  const quote = createQuoter([key]);
  return {
    name: dialect.name,
    async send(message, signal) {
      refuseControlCharacters(message);
      const headers = {
        "User-Agent": USER_AGENT,
        "Content-Type": "application/json",
        Accept: "application/json",
        ...dialect.headers(key, message),
      };
      const body = JSON.stringify(dialect.body(message));
      const response = await egress
        .request({
          url,
          method: "POST",
          headers,
          body,
          followRedirects: false,
          signal,
          maxResponseBytes: MAX_RESPONSE_BYTES,
          trusted: true,
        })
        .catch((error: unknown) => {
          throw toMailError(error, dialect.name);
        });
      const answer = readAnswer(response);
      if (answer.status < 200 || answer.status > 299) throw refusal(dialect, answer, quote);
      return {
        messageId: dialect.messageIdOf(answer) ?? message.messageId,
        accepted: [...message.to, ...message.cc, ...message.bcc],
        rejected: [],
        response: showStatus(answer.status),
      };
    },
    async close() {
      // The connections are egress's.
    },
  };
}

function readAnswer({ status, headers, body }: EgressResponse): Answer {
  try {
    const json: unknown = JSON.parse(body.toString());
    return {
      status,
      headers,
      json: typeof json === "object" && json !== null ? (json as Answer["json"]) : {},
    };
  } catch {
    return { status, headers, json: {} };
  }
}

function refusal(dialect: MailDialect, answer: Answer, quote: (text: string) => string): MailError {
  const { status, headers } = answer;
  const problem = dialect.problemOf(answer);
  const message = `${dialect.name} answered ${showStatus(status)}${problem ? `: ${quote(problem)}` : ""}`;
  if (status === 408 || status === 425 || status === 429 || status >= 500 || dialect.isTemporary?.(answer)) {
    const now = new Date();
    const retryAfterMs =
      parseRetryAfter(headers["retry-after"], now) ?? dialect.retryAfterMsOf?.(answer, now);
    return new MailError("mail_provider_error", message, { retryable: true, retryAfterMs });
  }
  const code = status === 401 || status === 403 ? "mail_auth_failed" : "mail_provider_rejected";
  return new MailError(code, message, { retryable: false });
}

function showStatus(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? ""}`.trimEnd();
}

function toMailError(error: unknown, name: string): unknown {
  if (!(error instanceof EgressError)) return error;
  const { code, message, retryable } = error;
  if (code === "aborted" || code === "request_timeout") return sendingAborted();
  return new MailError("mail_provider_unavailable", `${name} was not reached: ${message}`, { retryable });
}
