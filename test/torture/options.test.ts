import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FAULT_KINDS } from "./faults/fault.ts";
import { HELP, parseOptions, UsageError } from "./options.ts";

describe("the options of a torture", () => {
  it("are two minutes of every fault where nothing is said", () => {
    const { seed, ...rest } = parseOptions([]) as Exclude<ReturnType<typeof parseOptions>, "help">;
    assert.ok(Number.isInteger(seed) && seed >= 0);
    assert.deepEqual(rest, {
      ...{
        minutes: 2,
        faults: [...FAULT_KINDS],
        ratePerSecond: 30,
        bulk: 1,
        transport: "kafka",
        patienceSeconds: 180,
        isKept: false,
      },
    });
  });

  it("are what is said", () => {
    const args =
      "--minutes 0.5 --seed 7 --faults kill,stop --rate 5 --bulk 3 --transport postgres --patience 9 --keep".split(
        " ",
      );
    assert.deepEqual(parseOptions(args), {
      ...{ minutes: 0.5, seed: 7, faults: ["kill", "stop"], ratePerSecond: 5, bulk: 3 },
      ...{ transport: "postgres", patienceSeconds: 9, isKept: true },
    });
    assert.equal(parseOptions(["--help"]), "help");
    for (const kind of FAULT_KINDS) assert.match(HELP, new RegExp(`\\b${kind}\\b`));
  });

  for (const wrong of [
    "--minutes 0",
    "--seed -1",
    "--seed 1.5",
    "--faults kil",
    "--rate x",
    "--transport nats",
    "--what",
  ])
    it(`refuse ${wrong}`, () => {
      const [name, value] = wrong.split(" ");
      // One that begins with a dash would be taken for an option.
      assert.throws(() => parseOptions([value === undefined ? name! : `${name}=${value}`]), UsageError);
    });
});
