/** A tool that cannot be had skips its tests with one line; where every test is asked for, it fails them. */
export function skipUnlessStrict(reason: string): string {
  if (process.env["BELLHOP_TEST_STRICT"] === "1")
    throw new Error(`These tests cannot run, and BELLHOP_TEST_STRICT asks for them: ${reason}.`);
  return reason;
}
