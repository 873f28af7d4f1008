/** What every mail provider does alike, against a real server that speaks its protocol. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createEgress, type Egress } from "../../core/egress/egress.ts";
import { createMailProvider } from "./create-provider.ts";
import { MailError, type MailMessage, type MailProvider } from "./mail-provider.ts";

/** A provider's server under test. */
export interface ProviderServer {
  /** The EMAIL_URL that leads to it, credentials included. */
  url: string;
  /** What the server does with the next messages. Default "accept". */
  behave(how: "accept" | "defer" | "reject" | "refuse-login" | "hang"): void;
  /** Messages taken so far, in the suite's vocabulary. */
  taken: TakenMail[];
  /** Resolves when a message has come that hangs. */
  hanging(): Promise<void>;
  close(): Promise<void>;
}

export interface TakenMail {
  from: string;
  /** All recipients' bare addresses. */
  recipients: string[];
  subject: string;
  text: string;
  html: string;
  attachments: { filename: string; content: string }[];
}

export interface ProviderCodes {
  defer: string;
  reject: string;
  unreachable: string;
}

export const SECRET = "s3cret-KEY_Mixed.Case";

export const MESSAGE: MailMessage = {
  messageId: "<01961b7e-8f6a-7c3d-9e2b-5a1f0c4d3e2f@example.com>",
  from: "Bellhop <noreply@example.com>",
  to: ["ada@example.com", "Grace H <grace@example.com>"],
  cc: ["carbon@example.com"],
  bcc: ["blind@example.com"],
  replyTo: "desk@example.com",
  subject: "Grüße: it is time",
  text: "plain text\n.\nwith a dot",
  html: "<p>rich &amp; text</p>",
  attachments: [
    {
      filename: "report.txt",
      content: Buffer.from("attached bytes").toString("base64"),
      contentType: "text/plain",
    },
  ],
};

export function describeMailProvider(
  name: string,
  start: () => Promise<ProviderServer>,
  codes: ProviderCodes,
): void {
  describe(`${name}: as every mail provider`, () => {
    let server: ProviderServer;
    let egress: Egress;
    let provider: MailProvider;
    const never = new AbortController().signal;

    beforeEach(async () => {
      server = await start();
      // Private addresses are closed to users; the operator's own provider is reached nevertheless.
      egress = createEgress({ allow: [] });
      provider = createMailProvider(server.url, { egress });
    });
    afterEach(async () => {
      await provider.close();
      await egress.close();
      await server.close();
    });

    async function failure(message = MESSAGE, signal = never): Promise<MailError> {
      const error = await provider.send(message, signal).then(
        () => assert.fail("the message was taken"),
        (thrown: unknown) => thrown,
      );
      assert.ok(error instanceof MailError, String(error));
      assert.doesNotMatch(error.message, new RegExp(SECRET), "an error holds no credential");
      return error;
    }

    it("hands the whole message over", async () => {
      const receipt = await provider.send(MESSAGE, never);
      const bare = ["ada@example.com", "grace@example.com", "carbon@example.com", "blind@example.com"];
      assert.deepEqual(server.taken, [
        {
          from: "noreply@example.com",
          recipients: bare,
          subject: MESSAGE.subject,
          text: MESSAGE.text,
          html: MESSAGE.html,
          attachments: [{ filename: "report.txt", content: "attached bytes" }],
        },
      ]);
      assert.deepEqual([receipt.accepted.length, receipt.rejected], [4, []]);
      assert.notEqual(receipt.messageId, "");
      assert.equal(provider.name, name);
    });

    it("sends to names in quotes, whatever they hold, and to nobody else", async () => {
      const quoted = (name: string, address: string) => `"${name}" <${address}>`;
      await provider.send(
        {
          ...MESSAGE,
          from: quoted("Bell, Hop", "noreply@example.com"),
          to: [quoted("Doe, Jane", "jane@example.com"), "ada@example.com"],
          cc: [quoted("evil@example.org, <evil@example.org>", "carbon@example.com")],
          bcc: [quoted('O\\"Hara; x', "blind@example.com")],
          replyTo: quoted("Desk, Help", "desk@example.com"),
        },
        never,
      );
      const [{ from, recipients }] = server.taken as [TakenMail];
      assert.deepEqual(
        [from, ...recipients],
        [
          ...["noreply@example.com", "jane@example.com", "ada@example.com"],
          ...["carbon@example.com", "blind@example.com"],
        ],
      );
    });

    it("sends many at once", async () => {
      const receipts = await Promise.all(Array.from({ length: 20 }, () => provider.send(MESSAGE, never)));
      assert.deepEqual([receipts.length, server.taken.length], [20, 20]);
    });

    it("calls a temporary refusal retryable, and works again afterwards", async () => {
      server.behave("defer");
      const error = await failure();
      assert.deepEqual([error.code, error.retryable], [codes.defer, true]);
      server.behave("accept");
      await provider.send(MESSAGE, never);
      assert.equal(server.taken.length, 1);
    });

    it("calls a permanent refusal final", async () => {
      server.behave("reject");
      const error = await failure();
      assert.deepEqual([error.code, error.retryable], [codes.reject, false]);
    });

    it("calls a refused login final", async () => {
      server.behave("refuse-login");
      const error = await failure();
      assert.deepEqual([error.code, error.retryable], ["mail_auth_failed", false]);
    });

    it("calls an unreachable provider retryable", async () => {
      await server.close();
      const error = await failure();
      assert.deepEqual([error.code, error.retryable], [codes.unreachable, true]);
    });

    it("gives up at an abort, at once", async () => {
      server.behave("hang");
      const caller = new AbortController();
      const sending = failure(MESSAGE, caller.signal);
      await server.hanging();
      caller.abort();
      assert.equal((await sending).code, "aborted");
      assert.equal((await failure(MESSAGE, AbortSignal.abort())).code, "aborted");
    });

    it("lets no line break and no control character through, and says in which field it stands", async () => {
      const controls = [
        "\r\nBcc: everyone@example.com",
        "\n",
        "\0",
        "\x1b[2J",
        "\x07",
        "\t",
        "\x7f",
        "\x85",
        "\x9b2J",
      ];
      const variants = controls.flatMap((control): [string, Partial<MailMessage>][] => {
        const evil = `a${control}b@example.com`;
        return [
          ["message id", { messageId: `<${evil}>` }],
          ["from", { from: evil }],
          ["from", { from: `Bell${control} <bell@example.com>` }],
          ["to", { to: ["ok@example.com", evil] }],
          ["cc", { cc: [`"Ada${control}" <ada@example.com>`] }],
          ["bcc", { bcc: [evil] }],
          ["replyTo", { replyTo: evil }],
          ["subject", { subject: `hello${control}` }],
          ["attachments", { attachments: [{ filename: `a${control}b`, content: "" }] }],
          [
            "attachments",
            { attachments: [{ filename: "a", content: "", contentType: `text/plain${control}X: y` }] },
          ],
        ];
      });
      for (const [field, changes] of variants) {
        const error = await failure({ ...MESSAGE, ...changes });
        assert.deepEqual([error.code, error.retryable], ["mail_invalid", false], JSON.stringify(changes));
        assert.match(error.message, new RegExp(`: ${field} holds`));
      }
      assert.equal(server.taken.length, 0);
    });
  });
}
