import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MUTATIONS } from "./mutations/index.ts";
import { HELP, list, parseOptions, UsageError } from "./options.ts";

describe("the options of planted mistakes", () => {
  const all = Object.keys(MUTATIONS);

  it("are all mutations where nothing is said", () => {
    assert.deepEqual(parseOptions([]), { names: all, isControl: false, isKept: false });
  });

  it("are what is said", () => {
    assert.deepEqual(parseOptions(["--only", "claim-without-lock", "--control", "--keep"]), {
      names: ["claim-without-lock"],
      isControl: true,
      isKept: true,
    });
    const { names } = parseOptions(["--only", "model, claim-without-lock"]) as { names: string[] };
    assert.ok(names.includes("claim-without-lock") && names.includes("skip-lets-go"));
    assert.ok(!names.includes("staging-without-locks"));
    assert.equal(parseOptions(["--help"]), "help");
    assert.equal(parseOptions(["--list"]), "list");
    assert.match(HELP, /--only/);
    for (const name of all) assert.ok(list().includes(name));
  });

  for (const wrong of [["--only", "claim-without-look"], ["--only", ""], ["--what"]])
    it(`refuse ${wrong.join(" ")}`, () => {
      assert.throws(() => parseOptions(wrong), UsageError);
    });
});
