/** What an attempt sends holds the secrets that its task names; what it says of it does not. */
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { systemClock } from "../../core/clock.ts";
import type { AttemptOutcome } from "../../core/domain/attempt.ts";
import type { EmailSpec, HttpSpec, SecretField } from "../../core/domain/task-spec.ts";
import { parseNetworks } from "../../core/egress/address-policy.ts";
import { createEgress, type Egress } from "../../core/egress/egress.ts";
import { JsonSource } from "../../core/json-source.ts";
import { createSealer } from "../../core/secrets/sealer.ts";
import { createSigningSecret } from "../../core/secrets/webhook-signature.ts";
import type { KeptEmail } from "../../core/store/captured-emails.ts";
import { NO_SPAN } from "../../core/telemetry/tracing.ts";
import { createCapturingMailer } from "../email/capture.ts";
import type { MailMessage } from "../email/mail-provider.ts";
import { claimedRun } from "../testing/claimed-run.ts";
import { createDeliverySigner } from "./delivery-signer.ts";
import { createEmailRunner } from "./email.ts";
import { createHttpRunner } from "./http.ts";
import { createNamespaceSecrets } from "./namespace-secrets.ts";
import type { AttemptContext, TaskRunner } from "./task-runner.ts";
import { withSecrets } from "./with-secrets.ts";

const TOKEN = 's3cr3t "token" & <more>';
let secrets: Map<string, string>;
let lookups = 0;
let said: unknown[];
const find = async () => {
  lookups += 1;
  return secrets;
};
beforeEach(() => {
  secrets = new Map([
    ["TOKEN", TOKEN],
    ["LINES", "first\nsecond"],
    ["WIDE", "pass-wörd-€"],
  ]);
  [lookups, said, received] = [0, [], []];
  answer = (_, response) => response.end("ok");
});

interface Received {
  host: string;
  url: URL;
  headers: http.IncomingHttpHeaders;
  body: string;
}
let received: Received[];
let answer: (request: Received, response: http.ServerResponse) => void;
let egress: Egress;
const servers: http.Server[] = [];
/** Two origins. */
let bases: string[];

before(async () => {
  egress = createEgress({ allow: parseNetworks("127.0.0.1") });
  for (let count = 0; count < 2; count += 1) {
    const server = http.createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const { host = "" } = request.headers;
      const url = new URL(`http://${host}${request.url}`);
      received.push({ host, url, headers: request.headers, body: Buffer.concat(chunks).toString() });
      answer(received.at(-1)!, response);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    servers.push(server);
  }
  bases = servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
after(async () => {
  await egress.close();
  for (const server of servers) server.close();
});

const contextOf = (): AttemptContext => ({
  signal: new AbortController().signal,
  deadlineAt: new Date(Date.now() + 30_000),
  span: NO_SPAN,
  log(level, message, fields) {
    said.push({ level, message, fields });
    return undefined;
  },
});

async function attempt(runner: TaskRunner, spec: HttpSpec | EmailSpec): Promise<AttemptOutcome> {
  const run = claimedRun({ spec });
  return await withSecrets(runner, find, systemClock)(run, contextOf());
}

function send(spec: Partial<HttpSpec> & { secretsIn?: SecretField[] }, signingSecret?: string) {
  const signer = signingSecret ? createDeliverySigner(async () => [signingSecret], systemClock) : undefined;
  return attempt(createHttpRunner({ egress, signer, clock: systemClock }), {
    ...{ type: "http", method: "POST", url: `${bases[0]}/`, headers: {}, followRedirects: true },
    ...spec,
  });
}

const headers = { Authorization: "Bearer {{secrets.TOKEN}}" };
const assertHidden = (...told: unknown[]) =>
  assert.doesNotMatch(JSON.stringify([told, said]), /s3cr3t|c2VjcmV0|czNjcjN0/);

test("they are sent in headers, query and body, and the signature is of what is sent", async () => {
  const key = createSigningSecret();
  const outcome = await send(
    {
      headers,
      url: `${bases[0]}/hook?key={{secrets.TOKEN}}`,
      body: new JsonSource('{"token": "{{secrets.TOKEN}}", "n": 1.0}'),
      secretsIn: ["headers", "url", "body"],
    },
    key,
  );
  assert.equal(outcome.kind, "succeeded");
  const { url, headers: sent, body } = received[0]!;
  assert.equal(sent.authorization, `Bearer ${TOKEN}`);
  assert.equal(url.searchParams.get("key"), TOKEN);
  assert.equal(body, `{"token": ${JSON.stringify(TOKEN)}, "n": 1.0}`);
  const signed = `${sent["webhook-id"]}.${sent["webhook-timestamp"]}.${body}`;
  const mac = createHmac("sha256", Buffer.from(key.slice("whsec_".length), "base64")).update(signed);
  assert.equal(sent["webhook-signature"], `v1,${mac.digest("base64")}`);
  assertHidden(outcome);
});

test("what an answer echoes of them is redacted in headers and body, and in the log", async () => {
  answer = ({ url, headers: sent, body }, response) => {
    response.writeHead(500, { "x-echo": sent.authorization!, "content-type": "application/json" });
    response.end(
      JSON.stringify({ query: url.search, body, html: "s3cr3t &quot;token&quot; &amp; &lt;more&gt;" }),
    );
  };
  const outcome = await send({
    ...{ headers, url: `${bases[0]}/?key={{secrets.TOKEN}}`, body: "{{secrets.TOKEN}}" },
    secretsIn: ["headers", "url", "body"],
  });
  assert.ok(outcome.kind === "failed");
  assertHidden(outcome);
  const { headers: shown, body } = outcome.result as { headers: Record<string, string>; body: object };
  assert.equal(shown["x-echo"], "Bearer [redacted TOKEN]");
  assert.deepEqual(body, {
    ...{ query: "?key=[redacted TOKEN]", body: "[redacted TOKEN]", html: "[redacted TOKEN]" },
  });
});

test("a body that cannot be decoded is not kept: nobody could look for a secret in it", async () => {
  answer = (_, response) =>
    response.writeHead(200, { "content-encoding": "br, x-other" }).end(brotliCompressSync(TOKEN));
  const outcome = await send({ headers, secretsIn: ["headers"] });
  assert.ok(outcome.kind === "succeeded");
  const { body } = outcome.result as { body: unknown };
  assert.equal(body, "[redacted: an encoded body cannot be searched for secrets]");
});

test("a task that names none looks none up, and is sent as it is", async () => {
  const outcome = await send({ headers, body: "{{secrets.TOKEN}}" });
  assert.equal(outcome.kind, "succeeded");
  assert.deepEqual([lookups, received[0]!.body], [0, "{{secrets.TOKEN}}"]);
});

test("a secret that is not there any more fails the attempt by its name; nothing is sent, and nothing tried again", async () => {
  secrets.delete("TOKEN");
  const outcome = await send({ headers, secretsIn: ["headers"] });
  assert.deepEqual(outcome, {
    kind: "failed",
    error: {
      code: "secret_not_found",
      message: "Nothing was sent: the namespace has no secret TOKEN any more.",
    },
    retryable: false,
  });
  assert.deepEqual(received, []);
});

test("a header that could not be sent with its secret says so, without a word of it", async () => {
  for (const name of ["LINES", "WIDE"]) {
    const outcome = await send({ headers: { "X-Key": `{{secrets.${name}}}` }, secretsIn: ["headers"] });
    assert.ok(outcome.kind === "failed");
    assert.deepEqual([outcome.error.code, outcome.retryable], ["invalid_request", false]);
    assert.match(outcome.error.message, /^The request was not sent: with its secret the header X-Key holds/);
    assert.doesNotMatch(outcome.error.message, /first|second|rd-€/);
  }
  assert.deepEqual(received, []);
});

test("secrets that cannot be read or opened are asked for again by a retry", async () => {
  const runner = createHttpRunner({ egress, clock: systemClock });
  const place = { namespaceId: "n", functionId: null, name: "TOKEN" };
  const sealed = createSealer([randomBytes(32)]).seal(place, TOKEN);
  const listener = { on: async () => {} };
  for (const sealer of [undefined, createSealer([randomBytes(32)])]) {
    const unopened = createNamespaceSecrets(async () => [{ ...place, sealed }], sealer, listener);
    const run = claimedRun({
      spec: {
        type: "http",
        method: "GET",
        url: bases[0]!,
        headers,
        followRedirects: true,
        secretsIn: ["headers"],
      },
    });
    const outcome = await withSecrets(runner, unopened.find, systemClock)(run, contextOf());
    assert.deepEqual(outcome, {
      kind: "failed",
      error: {
        code: "secrets_unavailable",
        message: "Nothing was sent: the task's secrets could not be opened.",
      },
      retryable: true,
    });
  }
  assert.deepEqual(received, []);
});

test("another origin is not told them: the headers that hold one stay behind, harmless as their names are", async () => {
  const to = (url: string) => {
    answer = (request, response) =>
      request.url.pathname === "/" ? response.writeHead(307, { location: url }).end() : response.end("ok");
  };
  const given = { "Accept-Token": "{{secrets.TOKEN}}", Accept: "text/plain" };
  for (const [target, token] of [
    [`${bases[0]}/next`, TOKEN],
    [`${bases[1]}/next`, undefined],
  ] as const) {
    to(target);
    received = [];
    const outcome = await send({ headers: given, body: "plain", secretsIn: ["headers"] });
    assert.equal(outcome.kind, "succeeded");
    const { headers: sent, body } = received[1]!;
    assert.deepEqual([sent["accept-token"], sent.accept, body], [token, "text/plain", "plain"]);
  }
});

test("a body that holds one is not repeated to another origin; a redirect there that drops it is followed", async () => {
  answer = (request, response) =>
    request.url.pathname === "/"
      ? response
          .writeHead(308, { location: `${bases[1]}/next?echo=${encodeURIComponent(request.body)}` })
          .end()
      : response.end("ok");
  const outcome = await send({ body: "{{secrets.TOKEN}}", secretsIn: ["body"] });
  assert.ok(outcome.kind === "failed");
  assert.deepEqual([outcome.error.code, outcome.error.details], ["http_status", { status: 308 }]);
  assert.match(outcome.error.message, /another origin, which is not told the secret in the body/);
  assert.equal(received.length, 1);
  assertHidden(outcome);

  answer = (request, response) =>
    request.url.pathname === "/"
      ? response.writeHead(303, { location: `${bases[1]}/next` }).end()
      : response.end("ok");
  received = [];
  const followed = await send({
    ...{ body: "{{secrets.TOKEN}}", followRedirects: "as-get", secretsIn: ["body"] },
  });
  assert.equal(followed.kind, "succeeded");
  assert.equal(received[1]!.body, "");
});

const EMAIL: EmailSpec = {
  ...{ type: "email", to: ["ada@example.com"], cc: [], bcc: [], attachments: [] },
  ...{ subject: "{{secrets.TOKEN}}", body: "Key: {{secrets.TOKEN}}", html: "<b>{{secrets.TOKEN}}</b>" },
  secretsIn: ["subject", "body", "html"],
};

test("an e-mail is sent with them, and what its provider says is redacted", async () => {
  const sent: MailMessage[] = [];
  const provider = {
    name: "recording",
    async send(message: MailMessage) {
      sent.push(message);
      return { messageId: TOKEN, accepted: message.to, rejected: [] };
    },
    async close() {},
  };
  const outcome = await attempt(createEmailRunner({ provider, from: "b@example.com" }), EMAIL);
  const { subject, text, html } = sent[0]!;
  assert.deepEqual(
    [subject, text, html],
    [TOKEN, `Key: ${TOKEN}`, "<b>s3cr3t &quot;token&quot; &amp; &lt;more&gt;</b>"],
  );
  assertHidden(outcome);
});

test("a captured e-mail shows their names in their place", async () => {
  const kept: KeptEmail[] = [];
  const provider = createCapturingMailer(async (email) => kept.push(email));
  const outcome = await attempt(createEmailRunner({ provider, from: "b@example.com" }), EMAIL);
  assert.equal(outcome.kind, "succeeded");
  const { subject, text, html } = kept[0]!.message;
  assert.deepEqual(
    [subject, text, html],
    ["[redacted TOKEN]", "Key: [redacted TOKEN]", "<b>[redacted TOKEN]</b>"],
  );
  assertHidden(kept, outcome);
});

test("a change of a namespace's secrets is known at its bell", async () => {
  const sealer = createSealer([randomBytes(32)]);
  const place = { namespaceId: "n", functionId: null, name: "TOKEN" };
  let value = "first value";
  let hear = (_bell: { ids: string[]; resync: boolean }) => {};
  const listener = {
    on: async (_channel: string, handler: typeof hear) => {
      hear = handler;
    },
  } as Parameters<typeof createNamespaceSecrets>[2];
  const { find } = createNamespaceSecrets(
    async () => [{ ...place, sealed: sealer.seal(place, value) }],
    sealer,
    listener,
  );
  assert.equal((await find("n")).get("TOKEN"), "first value");
  value = "second value";
  hear({ ids: [], resync: false });
  assert.equal((await find("n")).get("TOKEN"), "second value");
});
