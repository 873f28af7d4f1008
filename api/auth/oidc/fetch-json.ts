/** What the OpenID provider answers: in time, no larger than it may be, and from where it was asked alone. */

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 1_000_000;

/** It did not answer, or not as it should; says so in words that quote nothing of an answer. */
export class ProviderAway extends Error {}

/** As `fetch`, with the whole of the answer. Throws ProviderAway where there is none. */
export async function fetchBounded(url: string, init: RequestInit = {}): Promise<Response> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const { status, headers, body } = await fetch(url, { ...init, signal, redirect: "manual" });
    return new Response(await readBounded(body, url), { status, headers });
  } catch (error) {
    if (error instanceof ProviderAway) throw error;
    throw new ProviderAway(
      `${url} ${signal.aborted ? "takes too long" : `cannot be reached${codeOf(error)}`}`,
    );
  }
}

/** Throws ProviderAway where there is no such document. */
export async function fetchJson(url: string): Promise<unknown> {
  const response = await fetchBounded(url, { headers: { accept: "application/json" } });
  if (response.status !== 200) throw new ProviderAway(`${url} answers ${response.status}`);
  try {
    return await response.json();
  } catch {
    throw new ProviderAway(`${url} answers something that is not JSON`);
  }
}

async function readBounded(body: ReadableStream<Uint8Array> | null, url: string): Promise<Buffer | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw new ProviderAway(`${url} answers more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return bytes === 0 ? null : Buffer.concat(chunks);
}

/** As undici tells it: `ECONNREFUSED`, `UNABLE_TO_VERIFY_LEAF_SIGNATURE`. */
function codeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
  return typeof code === "string" ? `, ${code}` : "";
}
