/** How OpenTelemetry's variables are written. Values may be secrets: no error quotes one. */

/** A base URL, without a slash at its end. Throws with the end of a sentence about the setting. */
export function parseOtlpEndpoint(text: string): string {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol))
    throw new Error("is not an http:// or https:// URL, such as http://collector:4318");
  if (url.username !== "" || url.password !== "")
    throw new Error(
      "holds a user or password; put what the collector asks for into OTEL_EXPORTER_OTLP_HEADERS",
    );
  if (url.search !== "" || url.hash !== "")
    throw new Error("holds a query or fragment; a base URL has neither");
  return url.href.replace(/\/+$/, "");
}

const NAME = /^[^\s=,;"\\]{1,256}$/;

/** `name=value,name=value`, values percent-encoded. Throws with the end of a sentence about the setting. */
export function parsePairs(text: string): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const part of text.split(",")) {
    if (part.trim() === "") continue;
    const at = part.indexOf("=");
    const name = part.slice(0, at).trim();
    if (at < 1 || !NAME.test(name)) throw new Error("is not a list of name=value, comma-separated");
    pairs[name] = decode(part.slice(at + 1).trim());
  }
  return pairs;
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw new Error("holds a value that is not percent-encoded as it should be");
  }
}
