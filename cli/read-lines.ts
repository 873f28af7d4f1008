import type { Readable } from "node:stream";

/**
 * Lines as JSON is sent in them, each ended by `\n`: `node:readline` splits at U+2028 and U+2029 too, which may stand in a text
 * of JSON. The last one may lack its end. They end early where the signal aborts.
 */
export async function* readLines(input: Readable, signal: AbortSignal): AsyncGenerator<string> {
  const stop = () => input.destroy();
  signal.addEventListener("abort", stop, { once: true });
  let rest = "";
  try {
    for await (const chunk of input.setEncoding("utf8")) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!;
      yield* lines;
    }
    if (rest !== "") yield rest;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
