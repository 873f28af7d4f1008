/** Where every test is asked for (--strict), so that a tool that cannot be had fails its tests. */
export const isStrict = (): boolean => process.env["BELLHOP_TEST_STRICT"] === "1";

/** A tool that cannot be had skips its tests with one line; where every test is asked for, it fails them. */
export function skipUnlessStrict(reason: string): string {
  if (isStrict())
    throw new Error(`These tests cannot run, and BELLHOP_TEST_STRICT asks for them: ${reason}.`);
  return reason;
}
