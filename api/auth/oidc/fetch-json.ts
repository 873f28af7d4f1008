/** A document of the OpenID provider: in time, no larger than it may be, and from where it was asked alone. */

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 1_000_000;

/** Throws why there is none, in a sentence that quotes nothing of what the document holds. */
export async function fetchJson(url: string): Promise<unknown> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const text = await readText(url, signal).catch((error: unknown) => {
    throw new Error(`${url} ${signal.aborted ? "takes too long" : describeFailure(error)}`);
  });
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${url} answers something that is not JSON`);
  }
}

class UnusableAnswer extends Error {}

async function readText(url: string, signal: AbortSignal): Promise<string> {
  const headers = { accept: "application/json" };
  const { status, body } = await fetch(url, { signal, headers, redirect: "manual" });
  if (status !== 200) {
    await body?.cancel();
    throw new UnusableAnswer(`answers ${status}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw new UnusableAnswer(`answers more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** As undici tells it: `ECONNREFUSED`, `UNABLE_TO_VERIFY_LEAF_SIGNATURE`. */
function describeFailure(error: unknown): string {
  if (error instanceof UnusableAnswer) return error.message;
  const cause = error instanceof Error ? error.cause : undefined;
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
  return typeof code === "string" ? `cannot be reached, ${code}` : "cannot be reached";
}
