/**
 * Takes webhooks signed as Standard Webhooks (standardwebhooks.com) says: HMAC-SHA-256 over id, time and raw body. A
 * message that was changed, is old, or came before is refused; the others are remembered under their id.
 *
 * Secret: WEBHOOK_SECRET, whsec_ and base64. Make it public, or give the sender a hook's URL.
 */
import type { FetchHandler } from "bellhop";

const TOLERANCE_SECONDS = 300;

export default {
  async fetch(request, env, ctx) {
    if (request.method !== "POST") return new Response("POST a webhook.", { status: 405 });
    const id = request.headers.get("webhook-id") ?? "";
    const timestamp = request.headers.get("webhook-timestamp") ?? "";
    const signatures = request.headers.get("webhook-signature") ?? "";
    const body = await request.text();

    const ageSeconds = Math.abs(Date.now() / 1_000 - Number(timestamp));
    if (id === "" || !(ageSeconds <= TOLERANCE_SECONDS)) return refuse(401, "no id, or too old");
    if (!(await isSigned(`${id}.${timestamp}.${body}`, signatures, env["WEBHOOK_SECRET"] ?? ""))) {
      ctx.log.warn("a webhook with a bad signature", { id });
      return refuse(401, "the signature does not match");
    }
    // Only the first of those with the same id finds nothing there.
    const { ok } = await ctx.kv.set(`message/${id}`, { at: timestamp, body }, { ifVersion: null });
    if (!ok) return refuse(409, "it came before");
    ctx.log.info("a webhook", { id, bytes: body.length });
    return Response.json({ id, accepted: true }, { status: 202 });
  },
} satisfies FetchHandler;

function refuse(status: number, error: string): Response {
  return Response.json({ error }, { status });
}

/** Whether one of the signatures, "v1,<base64>" separated by spaces, is of this text. */
async function isSigned(text: string, signatures: string, secret: string): Promise<boolean> {
  const key = await crypto.subtle.importKey(
    "raw",
    fromBase64(secret.replace(/^whsec_/, "")),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["verify"],
  );
  const bytes = new TextEncoder().encode(text);
  for (const signature of signatures.split(" ")) {
    const [version, value = ""] = signature.split(",");
    if (version !== "v1") continue;
    // verify compares in constant time.
    if (await crypto.subtle.verify("HMAC", key, fromBase64(value), bytes)) return true;
  }
  return false;
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return new Uint8Array(0);
  }
}
