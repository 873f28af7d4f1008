import assert from "assert/build/assert.js";

function match(text: string, pattern: RegExp, message?: string | Error): void {
  if (pattern.test(text)) return;
  if (message instanceof Error) throw message;
  const { AssertionError } = assert as { AssertionError: new (options: object) => Error };
  const said =
    message ?? `The input did not match the regular expression ${String(pattern)}: ${JSON.stringify(text)}`;
  throw new AssertionError({ message: said, actual: text, expected: pattern, operator: "match" });
}

const added = assert as unknown as Record<string, unknown> & { strict: Record<string, unknown> };
added["match"] ??= match;
added.strict["match"] ??= match;

export default assert;
