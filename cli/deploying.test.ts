/** What a deploy would change, of all that one may say. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_FUNCTION_LIMITS, type FunctionLimits } from "../core/domain/function-limits.ts";
import { hashRevision, hashSources } from "../core/domain/revision-hash.ts";
import { hashFiles } from "./bundle/source.ts";
import { compareDeploy, type DeployOptions, isUnchanged, type Standing } from "./deploying.ts";

const FILES = { "index.ts": "export default () => 1;", "other.ts": "export default () => 2;" };
const SOURCE = { files: FILES, entry: "index.ts" };

/** As the API shows what was deployed so. */
function standing(options: DeployOptions = {}, caps: Partial<FunctionLimits> = {}): Standing {
  const { limits = {}, reuse = true, env = {} } = options;
  const hash = hashSources(new Map(Object.entries(FILES)), SOURCE.entry);
  return {
    ...{ number: 3, entry: SOURCE.entry, reuse, env, public: options.public ?? false },
    files: hashFiles(FILES),
    contentHash: hashRevision(hash, limits, reuse),
    limits: { ...DEFAULT_FUNCTION_LIMITS, ...limits, ...caps },
  };
}
const compare = (
  before: Standing,
  options: DeployOptions,
  source: Parameters<typeof compareDeploy>[1] = SOURCE,
) => {
  const { files, env, limits, diff } = compareDeploy(before, source, options);
  return { files, env, limits, diff };
};
const NOTHING = { files: [], env: [], limits: [], diff: [] };

test("the same again changes nothing, whatever was said", () => {
  const said: DeployOptions[] = [
    {},
    { public: true },
    { reuse: false },
    { limits: { memoryMb: 64, concurrency: 2 }, env: { A: "1" } },
  ];
  for (const options of said) {
    const plan = compareDeploy(standing(options), SOURCE, options);
    assert.ok(isUnchanged({ function: "f", ...plan }), JSON.stringify([options, plan]));
  }
});

test("a change of public, reuse or the entry alone is one", () => {
  assert.deepEqual(compare(standing(), { public: true }), {
    ...NOTHING,
    diff: [{ field: "public", from: false, to: true }],
  });
  assert.deepEqual(compare(standing({ public: true }), {}), NOTHING);
  assert.deepEqual(compare(standing(), { reuse: false }).diff, [{ field: "reuse", from: true, to: false }]);
  assert.deepEqual(compare(standing({ reuse: false }), {}).diff, [{ field: "reuse", from: false, to: true }]);
  assert.deepEqual(compare(standing(), {}, { ...SOURCE, entry: "other.ts" }).diff, [
    { field: "entry", from: "index.ts", to: "other.ts" },
  ]);
});

test("so is a limit that is another, or is asked for no more", () => {
  const limits = (before: Record<string, number>, after: Record<string, number>) =>
    compare(standing({ limits: before }), { limits: after }).limits;
  assert.deepEqual(limits({}, { memoryMb: 64 }), ["memoryMb"]);
  assert.deepEqual(limits({ memoryMb: 64 }, { memoryMb: 256 }), ["memoryMb"]);
  assert.deepEqual(limits({ memoryMb: 256, cpuMs: 5 }, { cpuMs: 5 }), ["memoryMb"]);
  assert.deepEqual(limits({ memoryMb: 64 }, {}), ["memoryMb"]);
  assert.deepEqual(limits({ concurrency: 2 }, {}), ["concurrency"]);
});

test("an operator's cap below a default is no change of the author's", () => {
  const capped = standing({}, { wallMs: 60_000 });
  assert.deepEqual(compare(capped, {}), NOTHING);
  const files = { ...FILES, "index.ts": "export default () => 3;" };
  assert.deepEqual(compare(capped, {}, { ...SOURCE, files }).limits, []);
  assert.deepEqual(compare(capped, { limits: { cpuMs: 7 } }).limits, ["cpuMs"]);
});
