import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import addressparser from "nodemailer/lib/addressparser";
import { parseMailbox } from "../../core/contracts/mailbox.ts";
import { createEgress } from "../../core/egress/egress.ts";
import { BellhopError } from "../../core/errors.ts";
import { createMailProvider } from "./create-provider.ts";
import { MailError } from "./mail-provider.ts";
import {
  describeMailProvider,
  MESSAGE,
  type ProviderServer,
  SECRET,
  type TakenMail,
} from "./provider.suite.ts";

type Behaviour = Parameters<ProviderServer["behave"]>[0];
/** Whatever a request holds; the assertions are the check. */
type JsonBody = ReturnType<typeof JSON.parse>;

interface ApiRequest {
  path: string;
  headers: http.IncomingHttpHeaders;
  body: JsonBody;
}

interface ApiAnswer {
  status: number;
  headers?: http.OutgoingHttpHeaders;
  body?: JsonBody;
}

/** A provider's documented API: where it lives, how it answers, how its request reads. */
interface Api {
  path: string;
  isAuthorized(request: ApiRequest): boolean;
  answers: Record<"accept" | "defer" | "reject" | "refuse-login", ApiAnswer>;
  read(body: JsonBody): TakenMail;
}

interface ApiServer extends ProviderServer {
  requests: ApiRequest[];
  answerNext(answer: ApiAnswer): void;
}

const bare = (text: string) => parseMailbox(text)!.address;
const decoded = (base64: string) => Buffer.from(base64, "base64").toString();

const APIS: Record<string, Api> = {
  resend: {
    path: "/emails",
    isAuthorized: ({ headers }) => headers.authorization === `Bearer ${SECRET}`,
    answers: {
      accept: { status: 200, body: { id: "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794" } },
      defer: {
        status: 429,
        body: { statusCode: 429, name: "rate_limit_exceeded", message: "Too many requests." },
      },
      reject: {
        status: 422,
        body: { statusCode: 422, name: "validation_error", message: "Invalid `to` field." },
      },
      "refuse-login": {
        status: 403,
        body: { statusCode: 403, name: "invalid_api_key", message: `API key ${SECRET} is invalid` },
      },
    },
    read: ({ from, to, cc, bcc, subject, text, html, attachments }) => ({
      from: bare(from),
      recipients: [...to, ...cc, ...bcc].map(bare),
      subject,
      text,
      html,
      attachments: attachments.map((file: JsonBody) => ({
        filename: file["filename"],
        content: decoded(file["content"]),
      })),
    }),
  },
  postmark: {
    path: "/email",
    isAuthorized: ({ headers }) => headers["x-postmark-server-token"] === SECRET,
    answers: {
      accept: {
        status: 200,
        body: {
          To: "x",
          SubmittedAt: "2026-03-01T12:00:00Z",
          MessageID: "b7bc2f4a-e38e",
          ErrorCode: 0,
          Message: "OK",
        },
      },
      defer: { status: 503, body: { ErrorCode: 100, Message: "Maintenance" } },
      reject: {
        status: 422,
        body: { ErrorCode: 406, Message: "You tried to send to an inactive recipient." },
      },
      "refuse-login": { status: 401, body: { ErrorCode: 10, Message: `No server with the token ${SECRET}` } },
    },
    read: ({ From, To, Cc, Bcc, Subject, TextBody, HtmlBody, Attachments }) => ({
      from: bare(From),
      recipients: [To, Cc, Bcc]
        .flatMap((list = "") => addressparser(list, { flatten: true }))
        .map(({ address }) => address),
      subject: Subject,
      text: TextBody,
      html: HtmlBody,
      attachments: Attachments.map((file: JsonBody) => ({
        filename: file["Name"],
        content: decoded(file["Content"]),
      })),
    }),
  },
  sendgrid: {
    path: "/v3/mail/send",
    isAuthorized: ({ headers }) => headers.authorization === `Bearer ${SECRET}`,
    answers: {
      accept: { status: 202, headers: { "X-Message-Id": "XBg2anf2TqCy6WXKQFhieQ" } },
      defer: { status: 500, body: { errors: [{ message: "internal error", field: null, help: null }] } },
      reject: {
        status: 400,
        body: { errors: [{ message: "The subject is required.", field: "subject", help: "http://x" }] },
      },
      "refuse-login": {
        status: 401,
        body: { errors: [{ message: `The grant ${SECRET} is invalid`, field: null }] },
      },
    },
    read: ({ personalizations, from, subject, content, attachments }) => ({
      from: from.email,
      recipients: (["to", "cc", "bcc"] as const).flatMap((list) =>
        (personalizations[0][list] ?? []).map((party: JsonBody) => party["email"]),
      ),
      subject,
      text: content.find((part: JsonBody) => part["type"] === "text/plain").value,
      html: content.find((part: JsonBody) => part["type"] === "text/html").value,
      attachments: attachments.map((file: JsonBody) => ({
        filename: file["filename"],
        content: decoded(file["content"]),
      })),
    }),
  },
};

async function startApi(name: string): Promise<ApiServer> {
  const api = APIS[name]!;
  let how: Behaviour = "accept";
  let next: ApiAnswer | undefined;
  const requests: ApiRequest[] = [];
  const taken: TakenMail[] = [];
  const hangs = Promise.withResolvers<void>();
  const server = http.createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const request = {
      path: incoming.url!,
      headers: incoming.headers,
      body: JSON.parse(Buffer.concat(chunks).toString()),
    };
    requests.push(request);
    if (how === "hang") return hangs.resolve();
    const wrong =
      incoming.method !== "POST" ||
      request.path !== `/base${api.path}` ||
      !/^application\/json/.test(incoming.headers["content-type"]!);
    const answer = wrong
      ? { status: 404 }
      : (next ?? api.answers[api.isAuthorized(request) ? how : "refuse-login"]);
    next = undefined;
    if (answer === api.answers.accept) taken.push(api.read(request.body));
    response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers });
    response.end(answer.body ? JSON.stringify(answer.body) : "");
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/base/`;
  let closing: Promise<void> | undefined;
  return {
    url: `${name}://${SECRET}?endpoint=${encodeURIComponent(endpoint)}`,
    requests,
    taken,
    behave: (changed) => {
      how = changed;
    },
    answerNext: (answer) => {
      next = answer;
    },
    hanging: () => hangs.promise,
    close() {
      closing ??= new Promise((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closing;
    },
  };
}

for (const name of Object.keys(APIS)) {
  describeMailProvider(name, () => startApi(name), {
    defer: "mail_provider_error",
    reject: "mail_provider_rejected",
    unreachable: "mail_provider_unavailable",
  });
}

const never = new AbortController().signal;

async function withApi(
  name: string,
  use: (server: ApiServer, send: (message?: typeof MESSAGE) => Promise<unknown>) => Promise<void>,
) {
  const server = await startApi(name);
  const egress = createEgress({ allow: [] });
  const provider = createMailProvider(server.url, { egress });
  try {
    await use(server, (message = MESSAGE) => provider.send(message, never));
  } finally {
    await egress.close();
    await server.close();
  }
}

async function mailError(promise: Promise<unknown>): Promise<MailError> {
  const error = await promise.catch((thrown: unknown) => thrown);
  assert.ok(error instanceof MailError, String(error));
  return error;
}

describe("resend", () => {
  it("sends the same idempotency key with every attempt at a message", async () => {
    await withApi("resend", async ({ requests }, send) => {
      await send();
      await send();
      const keys = requests.map(({ headers }) => headers["idempotency-key"]);
      assert.deepEqual(keys, Array(2).fill("01961b7e-8f6a-7c3d-9e2b-5a1f0c4d3e2f@example.com"));
      assert.equal(requests[0]!.body["reply_to"], "desk@example.com");
    });
  });

  it("tries again where the same message is under way, not where the key was used for another", async () => {
    await withApi("resend", async (server, send) => {
      server.answerNext({
        status: 409,
        body: { name: "concurrent_idempotent_requests", message: "in progress" },
      });
      assert.equal((await mailError(send())).retryable, true);
      server.answerNext({ status: 409, body: { name: "invalid_idempotent_request", message: "other body" } });
      assert.equal((await mailError(send())).retryable, false);
    });
  });

  it("waits as long as it is told", async () => {
    await withApi("resend", async (server, send) => {
      server.answerNext({ status: 429, headers: { "retry-after": "3" } });
      assert.equal((await mailError(send())).retryAfterMs, 3_000);
    });
  });
});

describe("postmark", () => {
  it("asks to keep the Message-ID", async () => {
    await withApi("postmark", async ({ requests }, send) => {
      await send();
      assert.deepEqual(requests[0]!.body["Headers"], [
        { Name: "Message-ID", Value: MESSAGE.messageId },
        { Name: "X-PM-KeepID", Value: "true" },
      ]);
    });
  });

  it("passes on what Postmark says is wrong", async () => {
    await withApi("postmark", async (server, send) => {
      server.behave("reject");
      const { message } = await mailError(send());
      assert.equal(
        message,
        "postmark answered 422 Unprocessable Entity: You tried to send to an inactive recipient. (ErrorCode 406)",
      );
    });
  });
});

describe("sendgrid", () => {
  it("names no address twice and splits names from addresses", async () => {
    await withApi("sendgrid", async ({ requests }, send) => {
      await send({
        ...MESSAGE,
        to: ["Ada <ada@example.com>", "ADA@example.com"],
        cc: ["ada@example.com"],
        bcc: ["b@example.com"],
      });
      const { personalizations, from, headers } = requests[0]!.body;
      assert.deepEqual(personalizations, [
        { to: [{ email: "ada@example.com", name: "Ada" }], bcc: [{ email: "b@example.com" }] },
      ]);
      assert.deepEqual(from, { email: "noreply@example.com", name: "Bellhop" });
      assert.deepEqual(headers, { "Message-ID": MESSAGE.messageId });
    });
  });

  it("reads when its rate limit ends", async () => {
    await withApi("sendgrid", async (server, send) => {
      server.answerNext({
        status: 429,
        headers: { "x-ratelimit-reset": String(Math.ceil(Date.now() / 1_000) + 60) },
      });
      const { retryAfterMs } = await mailError(send());
      assert.ok(retryAfterMs! > 55_000 && retryAfterMs! <= 61_000, String(retryAfterMs));
    });
  });
});

describe("createMailProvider", () => {
  const egress = createEgress({ allow: [] });

  it("keeps the key as it is written", async () => {
    await withApi("resend", async ({ requests }, send) => {
      await send();
      assert.equal(requests[0]!.headers.authorization, `Bearer ${SECRET}`);
    });
    for (const url of ["RESEND://aB_c", "sendgrid://SG.aB-c_D.e/", "postmark://aB%2Fc"]) {
      assert.equal(typeof createMailProvider(url, { egress }).send, "function", url);
    }
  });

  it("refuses a wrong setting without quoting it", () => {
    const wrong = [
      "",
      SECRET,
      `mailgun://${SECRET}`,
      `constructor://${SECRET}`,
      `https://${SECRET}@host`,
      "resend://",
      `resend://${SECRET} x`,
      `resend://${SECRET}?endpont=http://x`,
      `resend://${SECRET}?endpoint=file:///etc/${SECRET}`,
      `resend://${SECRET}?endpoint=${SECRET}`,
    ];
    for (const url of wrong) {
      assert.throws(
        () => createMailProvider(url, { egress }),
        (error) =>
          error instanceof BellhopError &&
          error.code === "invalid_setting" &&
          !error.message.includes(SECRET),
        url,
      );
    }
  });

  it("names the providers it knows", () => {
    assert.throws(
      () => createMailProvider("mailgun://k", { egress }),
      /smtp:\/\/, smtps:\/\/, resend:\/\/, postmark:\/\/, sendgrid:\/\//,
    );
  });

  it("refuses a default sender that is no address", () => {
    assert.throws(() => createMailProvider("resend://k", { egress, from: "Bellhop" }), {
      code: "invalid_setting",
      message: /EMAIL_FROM/,
    });
  });
});
