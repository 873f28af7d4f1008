import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { BellhopError } from "../../core/errors.ts";
import { MailError } from "./mail-provider.ts";
import {
  describeMailProvider,
  MESSAGE,
  type ProviderServer,
  SECRET,
  type TakenMail,
} from "./provider.suite.ts";
import { createSmtpProvider, parseSmtpUrl } from "./smtp.ts";

const never = new AbortController().signal;

interface MimePart {
  headers: Record<string, string>;
  /** Leaves of the tree, this part itself where it has none. */
  leaves: MimePart[];
  content: string;
}

/** Enough of MIME to see that a message arrived as it was sent. */
function readMime(raw: string): MimePart {
  const end = raw.indexOf("\r\n\r\n");
  const head = raw.slice(0, end).replace(/\r\n[ \t]+/g, " ");
  const headers = Object.fromEntries(
    head
      .split("\r\n")
      .map((line) => [
        line.slice(0, line.indexOf(":")).toLowerCase(),
        readWords(line.slice(line.indexOf(":") + 1).trim()),
      ]),
  );
  const body = raw.slice(end + 4);
  const boundary = /boundary="?([^";]+)/.exec(headers["content-type"] ?? "")?.[1];
  if (boundary === undefined) {
    const part: MimePart = {
      headers,
      leaves: [],
      content: readContent(body, headers["content-transfer-encoding"]),
    };
    part.leaves.push(part);
    return part;
  }
  const parts = body
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => readMime(part.replace(/^\r\n/, "").replace(/\r\n$/, "")));
  return { headers, leaves: parts.flatMap(({ leaves }) => leaves), content: "" };
}

function readContent(body: string, encoding = "7bit"): string {
  if (encoding === "base64") return Buffer.from(body, "base64").toString();
  const text = encoding === "quoted-printable" ? readQuoted(body.replace(/=\r\n/g, "")) : body;
  return text.replaceAll("\r\n", "\n");
}

function readQuoted(text: string): string {
  return Buffer.from(
    text.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    "latin1",
  ).toString();
}

function readWords(text: string): string {
  return text
    .replace(/\?=\s+=\?/g, "?==?")
    .replace(/=\?utf-8\?([qb])\?([^?]*)\?=/gi, (_, kind: string, word: string) =>
      kind.toLowerCase() === "b"
        ? Buffer.from(word, "base64").toString()
        : readQuoted(word.replaceAll("_", " ")),
    );
}

function toTaken(raw: string, from: string, recipients: string[]): TakenMail {
  const mime = readMime(raw);
  const leaf = (type: string) =>
    mime.leaves.find(
      ({ headers }) => headers["content-type"]!.startsWith(type) && !headers["content-disposition"],
    );
  const files = mime.leaves.filter(({ headers }) => headers["content-disposition"]?.startsWith("attachment"));
  return {
    from,
    recipients,
    subject: mime.headers["subject"]!,
    text: leaf("text/plain")?.content.trimEnd() ?? "",
    html: leaf("text/html")?.content.trimEnd() ?? "",
    attachments: files.map(({ headers, content }) => ({
      filename: /filename="?([^";]+)/.exec(headers["content-disposition"]!)![1]!,
      content,
    })),
  };
}

const smtpError = (responseCode: number, message: string) =>
  Object.assign(new Error(message), { responseCode });

interface SmtpTestServer extends ProviderServer {
  port: number;
  /** The messages as they came. */
  raw: string[];
  server: SMTPServer;
}

async function startSmtp(options: SMTPServerOptions = {}): Promise<SmtpTestServer> {
  let how: Parameters<ProviderServer["behave"]>[0] = "accept";
  const raw: string[] = [];
  const taken: TakenMail[] = [];
  const hangs = Promise.withResolvers<void>();
  const server = new SMTPServer({
    authOptional: true,
    allowInsecureAuth: true,
    disabledCommands: ["STARTTLS"],
    logger: false,
    // A hanging session ends with its server.
    closeTimeout: 1,
    onAuth({ username, password }, _session, callback) {
      if (how === "refuse-login" || username !== "us@er" || password !== SECRET) {
        return callback(smtpError(535, `5.7.8 no such login with password ${password}`));
      }
      callback(null, { user: username });
    },
    onRcptTo({ address }, _session, callback) {
      if (how === "reject" || address.startsWith("unknown"))
        return callback(smtpError(550, "5.1.1 no such user"));
      if (how === "defer" || address.startsWith("full"))
        return callback(smtpError(452, "4.2.2 mailbox full"));
      callback();
    },
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        if (how === "hang") return hangs.resolve();
        const text = Buffer.concat(chunks).toString();
        const { mailFrom, rcptTo } = session.envelope;
        raw.push(text);
        taken.push(
          toTaken(
            text,
            mailFrom ? mailFrom.address : "",
            rcptTo.map(({ address }) => address),
          ),
        );
        callback(null, "queued as 42");
      });
    },
    ...options,
  });
  server.on("error", () => {});
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `smtp://us%40er:${SECRET}@127.0.0.1:${port}`,
    port,
    raw,
    server,
    taken,
    behave: (next) => {
      how = next;
    },
    hanging: () => hangs.promise,
    close: () => (closing ??= new Promise((resolve) => server.close(() => resolve()))),
  };
}

describeMailProvider("smtp", startSmtp, {
  defer: "smtp_deferred",
  reject: "smtp_rejected",
  unreachable: "smtp_unavailable",
});

describe("smtp", () => {
  async function withServer(options: SMTPServerOptions, use: (server: SmtpTestServer) => Promise<void>) {
    const server = await startSmtp(options);
    try {
      await use(server);
    } finally {
      await server.close();
    }
  }

  async function sendOnce(url: string, message = MESSAGE) {
    const provider = createSmtpProvider(url);
    try {
      return await provider.send(message, never);
    } finally {
      await provider.close();
    }
  }

  it("keeps the Message-ID and shows no blind copies", async () => {
    await withServer({}, async (server) => {
      const receipt = await sendOnce(server.url);
      assert.equal(receipt.messageId, MESSAGE.messageId);
      assert.match(receipt.response!, /^250 .*queued as 42/);
      const { headers } = readMime(server.raw[0]!);
      assert.equal(headers["message-id"], MESSAGE.messageId);
      assert.equal(headers["to"], "ada@example.com, Grace H <grace@example.com>");
      assert.deepEqual(
        [headers["cc"], headers["reply-to"], headers["bcc"]],
        ["carbon@example.com", "desk@example.com", undefined],
      );
      assert.doesNotMatch(server.raw[0]!, /blind@example\.com/);
    });
  });

  it("writes names in quotes into the headers as they were given", async () => {
    await withServer({}, async (server) => {
      const [jane, desk] = ['"Doe, Jane" <jane@example.com>', '"Desk, Help" <desk@example.com>'];
      await sendOnce(server.url, { ...MESSAGE, from: jane, to: [jane], cc: [desk], bcc: [], replyTo: desk });
      const { headers } = readMime(server.raw[0]!);
      assert.deepEqual(
        [headers["from"], headers["to"], headers["cc"], headers["reply-to"]],
        [jane, jane, desk, desk],
      );
    });
  });

  it("reuses its connections, and no more of them than set", async () => {
    await withServer({}, async (server) => {
      let connections = 0;
      server.server.server.on("connection", () => connections++);
      const provider = createSmtpProvider(`${server.url}?maxConnections=2`);
      await Promise.all(Array.from({ length: 10 }, () => provider.send(MESSAGE, never)));
      await provider.close();
      assert.deepEqual([connections, server.taken.length], [2, 10]);
    });
  });

  it("tells which recipients were refused while others were not", async () => {
    await withServer({}, async ({ url }) => {
      const receipt = await sendOnce(url, {
        ...MESSAGE,
        to: ["ada@example.com", "unknown@example.com"],
        cc: [],
        bcc: [],
      });
      assert.deepEqual([receipt.accepted, receipt.rejected], [["ada@example.com"], ["unknown@example.com"]]);
    });
  });

  it("tries again when at least one of the refused recipients may be taken later", async () => {
    await withServer({}, async ({ url }) => {
      const message = { ...MESSAGE, to: ["full@example.com", "unknown@example.com"], cc: [], bcc: [] };
      await assert.rejects(sendOnce(url, message), {
        code: "smtp_deferred",
        retryable: true,
        message: /452 4\.2\.2 mailbox full/,
      });
    });
  });

  it("calls a login that failed for now retryable", async () => {
    const onAuth: SMTPServerOptions["onAuth"] = (_auth, _session, callback) =>
      callback(smtpError(454, "4.7.0 try later"));
    await withServer({ onAuth }, async ({ url }) => {
      await assert.rejects(sendOnce(url), { code: "mail_auth_failed", retryable: true });
    });
  });

  it("upgrades to TLS where it is offered, and demands it where told to", async () => {
    await withServer({ disabledCommands: [] }, async ({ url, taken }) => {
      await assert.rejects(
        sendOnce(url),
        { code: "smtp_unavailable", retryable: true },
        "the certificate is nobody's",
      );
      await sendOnce(`${url}?rejectUnauthorized=false`);
      assert.equal(taken.length, 1);
      await sendOnce(`${url}?ignoreTLS=true`);
      assert.equal(taken.length, 2);
    });
    await withServer({}, async ({ url, taken }) => {
      await assert.rejects(sendOnce(`${url}?requireTLS=true`), { code: "smtp_unavailable", retryable: true });
      assert.equal(taken.length, 0);
    });
  });

  it("speaks TLS at once for smtps", async () => {
    await withServer({ secure: true }, async ({ url, taken }) => {
      await sendOnce(`${url.replace("smtp:", "smtps:")}?rejectUnauthorized=false`);
      assert.equal(taken.length, 1);
    });
  });

  it("reads no files and no URLs that a message names", async () => {
    await withServer({}, async ({ url, taken }) => {
      await sendOnce(url, {
        ...MESSAGE,
        text: "file:///etc/passwd",
        attachments: [{ filename: "/etc/passwd", content: "" }],
      });
      assert.deepEqual([taken[0]!.text, taken[0]!.attachments[0]!.content], ["file:///etc/passwd", ""]);
    });
  });
});

describe("parseSmtpUrl", () => {
  it("decodes credentials and fills in defaults", () => {
    const { host, port, secure, auth, maxConnections } = parseSmtpUrl("smtp://a%40b.c:p%2Fw%3A@Mail.Example");
    assert.deepEqual(
      [host, port, secure, auth, maxConnections],
      ["Mail.Example", 587, false, { user: "a@b.c", pass: "p/w:" }, 5],
    );
    const second = parseSmtpUrl(
      "smtps://[::1]/?maxConnections=9&maxMessages=7&rateLimit=3&name=me.example&requireTLS=true",
    );
    assert.deepEqual([second.host, second.port, second.secure, second.auth], ["::1", 465, true, undefined]);
    assert.deepEqual(
      [second.maxConnections, second.maxMessages, second.rateLimit, second.name, second.requireTLS],
      [9, 7, 3, "me.example", true],
    );
  });

  it("refuses what it does not know, without quoting it", () => {
    const wrong = [
      "smtp://",
      `smtp://user:${SECRET}/x@host`,
      `smtp://user:%zz${SECRET}@host`,
      `smtp://user@host?${SECRET}=1`,
      `smtp://user@host?maxConnections=${SECRET}`,
      "smtp://host?maxConnections=0",
      "smtp://host?ignoreTLS=yes",
      "smtp://host?proxy=http://x",
      "smtp://host?__proto__=1",
    ];
    for (const url of wrong) {
      assert.throws(
        () => parseSmtpUrl(url),
        (error) =>
          error instanceof BellhopError &&
          error.code === "invalid_setting" &&
          !error.message.includes(SECRET),
        url,
      );
    }
  });

  it("leaves secrets out of errors even where the server quotes them", async () => {
    const server = await startSmtp();
    const provider = createSmtpProvider(server.url.replace("us%40er", "other"));
    const error = await provider.send(MESSAGE, never).catch((thrown: unknown) => thrown);
    await provider.close();
    await server.close();
    assert.ok(error instanceof MailError);
    assert.match(error.message, /535 5\.7\.8 no such login with password \*\*\*/);
  });
});
