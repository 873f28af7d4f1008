/**
 * A digest by e-mail of what a JSON API has to say: a task runs it each morning. Functions have no mail of their own; it
 * asks Bellhop for an e-mail task, which is retried and recorded like any other. Its idempotency key is the day: run
 * twice, it sends one mail.
 *
 * env: API_URL, a JSON array of {title, url, points}; MAIL_TO; BELLHOP_URL, such as http://127.0.0.1:8080. Secret:
 * BELLHOP_KEY, a key with the scope `write`.
 */
import type { Context } from "bellhop";

interface Item {
  title: string;
  url: string;
  points: number;
}

const MOST = 5;

export default async function sendDigest(_input: unknown, ctx: Context) {
  const { API_URL, MAIL_TO, BELLHOP_URL, BELLHOP_KEY } = ctx.env;
  if (!API_URL || !MAIL_TO || !BELLHOP_URL || !BELLHOP_KEY) {
    throw new Error("Set API_URL, MAIL_TO, BELLHOP_URL and the secret BELLHOP_KEY.");
  }
  const response = await fetch(API_URL, { signal: ctx.signal });
  if (!response.ok) throw new Error(`The API answered ${response.status}.`);
  const items = ((await response.json()) as Item[]).toSorted((a, b) => b.points - a.points).slice(0, MOST);
  const day = ctx.scheduledAt.toISOString().slice(0, 10);
  if (items.length === 0) return { day, sent: false };

  const made = await fetch(`${BELLHOP_URL}/v1/tasks`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${BELLHOP_KEY}`,
      "content-type": "application/json",
      "idempotency-key": `digest-${day}`,
    },
    body: JSON.stringify({
      type: "email",
      to: [MAIL_TO],
      subject: `${items.length} things for ${day}`,
      body: items.map(({ title, url, points }) => `${title} (${points})\n${url}`).join("\n\n"),
    }),
  });
  if (!made.ok) throw new Error(`Bellhop answered ${made.status}.`);
  const { id } = (await made.json()) as { id: string };
  ctx.log.info("the digest is on its way", { day, items: items.length, task: id });
  return { day, sent: true, task: id };
}
