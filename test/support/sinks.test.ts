import assert from "node:assert/strict";
import { test } from "node:test";
import nodemailer from "nodemailer";
import { createHttpSink } from "./http-sink.ts";
import { createSmtpSink } from "./smtp-sink.ts";

test("the http sink records requests and answers as it is told", async (t) => {
  const sink = await createHttpSink(({ url }) =>
    url === "/busy" ? { status: 503, headers: { "retry-after": "1" }, body: "busy" } : {},
  );
  t.after(() => sink.close());
  const two = sink.waitFor(({ method }) => method === "POST", { count: 2 });
  const busy = await fetch(`${sink.url}/busy`, {
    method: "POST",
    body: "körper",
    headers: { "x-test": "1" },
  });
  assert.equal(busy.status, 503);
  assert.equal(busy.headers.get("retry-after"), "1");
  assert.equal(await busy.text(), "busy");
  await fetch(`${sink.url}/other`, { method: "POST" });
  const [first, second] = await two;
  assert.equal(first!.body, "körper");
  assert.equal(first!.headers["x-test"], "1");
  assert.ok(first!.at <= second!.at);
  assert.equal(sink.requests.length, 2);
});

test("the http sink breaks connections, and closing it ends the unanswered", async () => {
  const sink = await createHttpSink(({ url }) => (url === "/drop" ? { drop: true } : { delayMs: 3_600_000 }));
  await assert.rejects(fetch(`${sink.url}/drop`));
  const unanswered = assert.rejects(fetch(`${sink.url}/slow`));
  await sink.waitFor(({ url }) => url === "/slow");
  const waiting = assert.rejects(
    sink.waitFor(({ url }) => url === "/never"),
    /saw 0 \(of 2\): the sink was closed/,
  );
  await sink.close();
  await Promise.all([unanswered, waiting]);
});

test("waiting past the timeout says how many came", async (t) => {
  const sink = await createHttpSink();
  t.after(() => sink.close());
  await fetch(sink.url);
  await assert.rejects(
    sink.waitFor(() => true, { count: 2, timeoutMs: 5 }),
    /2 × request, saw 1 .*5 ms have passed/,
  );
});

test("the smtp sink records mails and refuses with the asked-for code", async (t) => {
  const sink = await createSmtpSink();
  const transport = nodemailer.createTransport({ host: "127.0.0.1", port: sink.port });
  t.after(() => sink.close());
  t.after(() => transport.close());
  const mail = {
    from: "bell@example.com",
    to: ["a@example.com", "b@example.com"],
    subject: "Errand",
    text: "done",
  };
  await transport.sendMail(mail);
  const [message] = await sink.waitFor(({ subject }) => subject === "Errand");
  assert.deepEqual(message!.envelope, { from: "bell@example.com", to: ["a@example.com", "b@example.com"] });
  assert.match(message!.raw, /\r\n\r\ndone\r\n$/);

  for (const [step, code] of [
    ["from", 550],
    ["to", 451],
    ["data", 554],
  ] as const) {
    sink.refuse = (at) => (at.step === step ? { code } : undefined);
    await assert.rejects(transport.sendMail(mail), { responseCode: code });
  }
  assert.equal(sink.messages.length, 1, "a refused mail is not recorded");
});
