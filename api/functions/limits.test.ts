/** What an upload says besides its sources: limits and reuse. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_FUNCTION_LIMITS } from "../../core/domain/function-limits.ts";
import type { Json } from "../../core/json.ts";
import { claimRuns } from "../../core/store/runs/claim.ts";
import { makeWorker } from "../../core/store/testing/samples.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const capped = await openApi({ caps: { memoryMb: 100, wallMs: 1_000, concurrency: 4 } });
const SOURCE = "export default () => 1;";
const PATH = "/v1/functions/f";
const upload = (given: { [field: string]: Json } = {}) => ({ body: { source: SOURCE, ...given } });

test("without limits the defaults are shown, and the content hash is that of the sources", async () => {
  const tenant = await api.newTenant();
  const { body } = await tenant.call("PUT", PATH, upload());
  assert.deepEqual([body.revision.limits, body.revision.reuse], [DEFAULT_FUNCTION_LIMITS, true]);
  assert.equal(
    body.revision.contentHash,
    "56f99d3684a8ea82fd3027579de3b3ac3450ae2c84faf7dfc49a989f4f184c80",
    "revisions that stand keep their address",
  );
  const empty = await tenant.call("PUT", PATH, upload({ limits: {}, reuse: true }));
  assert.deepEqual([empty.status, empty.body.revision.id], [200, body.revision.id]);
});

test("limits as they are shown can be put back", async () => {
  const tenant = await api.newTenant();
  const { body } = await tenant.call("PUT", PATH, upload());
  const again = await tenant.call("PUT", PATH, upload({ limits: body.revision.limits }));
  assert.ok(again.status < 300, JSON.stringify(again.body));
  assert.deepEqual(again.body.revision.limits, body.revision.limits);
});

test("limits belong to the revision: the same again is the same, others are another", async () => {
  const tenant = await api.newTenant();
  const limits = {
    ...{ memoryMb: 64, cpuMs: 100, wallMs: 2_000, concurrency: 2 },
    ...{ logLines: 0, resultBytes: 1_000, subrequests: 0 },
  };
  const plain = await tenant.call("PUT", PATH, upload());
  const first = await tenant.call("PUT", PATH, upload({ limits, reuse: false }));
  assert.deepEqual([first.status, first.body.revision.number], [201, 2]);
  assert.deepEqual([first.body.revision.limits, first.body.revision.reuse], [limits, false]);
  const reversed = Object.fromEntries(Object.entries(limits).toReversed());
  const again = await tenant.call("PUT", PATH, upload({ limits: reversed, reuse: false }));
  assert.deepEqual([again.status, again.body.revision], [200, first.body.revision]);
  const reused = await tenant.call("PUT", PATH, upload({ limits }));
  const other = await tenant.call(
    "PUT",
    PATH,
    upload({ limits: { ...limits, concurrency: 3 }, reuse: false }),
  );
  const all = [plain, first, reused, other].map(({ body }) => body.revision);
  assert.equal(new Set(all.map(({ contentHash }) => contentHash)).size, 4);
  assert.equal(new Set(all.map(({ id }) => id)).size, 4);
  const { deployed, ...standing } = other.body;
  assert.deepEqual(deployed, { id: other.body.revision.id, number: 4 });
  assert.deepEqual((await tenant.call("GET", PATH)).body, standing);
  assert.deepEqual((await tenant.call("GET", "/v1/functions")).body.items, [standing]);
  const back = await tenant.call("PUT", PATH, upload());
  assert.deepEqual([back.status, back.body.revision], [200, plain.body.revision]);
});

test("multipart says them as JSON fields, with files and with a source", async () => {
  const tenant = await api.newTenant();
  const limits = { memoryMb: 64, concurrency: 1 };
  const form = (parts: Record<string, string | File>) => {
    const data = new FormData();
    for (const [name, value] of Object.entries(parts)) data.append(name, value);
    return { body: data };
  };
  const options = { limits: JSON.stringify(limits), reuse: "false" };
  const json = await tenant.call("PUT", PATH, upload({ limits, reuse: false }));
  const source = await tenant.call("PUT", PATH, form({ source: SOURCE, ...options }));
  const file = await tenant.call("PUT", PATH, form({ a: new File([SOURCE], "index.ts"), ...options }));
  for (const { status, body } of [source, file])
    assert.deepEqual([status, body.revision], [200, json.body.revision]);
  const before = await api.countRows();
  for (const [bad, field] of [
    [{ limits: "{" }, "limits"],
    [{ limits: "[]" }, "limits"],
    [{ limits: '{"memoryMb": "64"}' }, "limits.memoryMb"],
    [{ limits: '{"memory": 64}' }, "limits.memory"],
    [{ reuse: '"no"' }, "reuse"],
    [{ reuse: "yes" }, "reuse"],
  ] as const) {
    for (const what of [{ source: SOURCE }, { a: new File([SOURCE], "index.ts") }]) {
      const answer = await tenant.call("PUT", PATH, form({ ...what, ...bad } as Record<string, string>));
      assertProblem(answer, 422, "invalid_input", [field]);
    }
  }
  assert.deepEqual(await api.countRows(), before);
});

test("multipart takes limits from a file as well, and refuses what it does not know, and what is there twice", async () => {
  const tenant = await api.newTenant();
  const form = (...parts: [name: string, value: string | File][]) => {
    const data = new FormData();
    for (const [name, value] of parts) data.append(name, value);
    return { body: data };
  };
  const file: [string, File] = ["file", new File([SOURCE], "index.ts")];
  const limits: [string, File] = ["limits", new File(['{"memoryMb": 64}'], "limits.json")];
  const { body } = await tenant.call("PUT", PATH, form(file, limits));
  assert.equal(body.revision.limits.memoryMb, 64);
  for (const [parts, field] of [
    [[file, ["limit", '{"memoryMb": 64}']], "limit"],
    [[file, file], "files"],
    [[file, ["reuse", "true"], ["reuse", "false"]], "reuse"],
    [[file, ["source", SOURCE]], "source"],
    [[["limits", "{}"]], "files"],
  ] as [[string, string | File][], string][]) {
    assertProblem(await tenant.call("PUT", PATH, form(...parts)), 422, "invalid_input", [field]);
  }
});

test("what is out of range, no whole number or unknown is refused by name, and nothing changes", async () => {
  const tenant = await api.newTenant();
  const standing = await tenant.call("PUT", PATH, upload());
  const before = await api.countRows();
  for (const [given, field] of [
    [{ limits: { memoryMb: 15 } }, "limits.memoryMb"],
    [{ limits: { memoryMb: 513 } }, "limits.memoryMb"],
    [{ limits: { memoryMb: 64.5 } }, "limits.memoryMb"],
    [{ limits: { memoryMb: "64" } }, "limits.memoryMb"],
    [{ limits: { memoryMb: null } }, "limits.memoryMb"],
    [{ limits: { cpuMs: 0 } }, "limits.cpuMs"],
    [{ limits: { cpuMs: 300_001 } }, "limits.cpuMs"],
    [{ limits: { wallMs: -1 } }, "limits.wallMs"],
    [{ limits: { wallMs: 1e300 } }, "limits.wallMs"],
    [{ limits: { concurrency: 0 } }, "limits.concurrency"],
    [{ limits: { concurrency: 1_001 } }, "limits.concurrency"],
    [{ limits: { logLines: 1_001 } }, "limits.logLines"],
    [{ limits: { resultBytes: 1 } }, "limits.resultBytes"],
    [{ limits: { resultBytes: 1_000_001 } }, "limits.resultBytes"],
    [{ limits: { subrequests: 1_001 } }, "limits.subrequests"],
    [{ limits: { memory: 64 } }, "limits.memory"],
    [{ limits: JSON.parse('{"__proto__": {"memoryMb": 64}}') }, "limits.__proto__"],
    [{ limits: 64 }, "limits"],
    [{ limits: null }, "limits"],
    [{ reuse: "false" }, "reuse"],
    [{ memoryMb: 64 }, "memoryMb"],
  ] as const) {
    assertProblem(await tenant.call("PUT", PATH, upload(given as never)), 422, "invalid_input", [field]);
  }
  assert.deepEqual(await api.countRows(), before);
  const { deployed: _first, ...unchanged } = standing.body;
  assert.deepEqual((await tenant.call("GET", PATH)).body, unchanged);
});

test("the operator's caps refuse what is asked beyond them, say so, and lower the defaults", async () => {
  const tenant = await capped.newTenant();
  const refused = await tenant.call("PUT", PATH, upload({ limits: { memoryMb: 128, concurrency: 5 } }));
  assertProblem(refused, 422, "invalid_input", ["limits.memoryMb", "limits.concurrency"]);
  const cap = "must be at most 100: the operator's cap";
  assert.equal(refused.body.errors[0].message, cap);
  assert.match(refused.body.detail, new RegExp(cap));
  assertProblem(await tenant.call("GET", PATH), 404, "not_found");
  const { body } = await tenant.call("PUT", PATH, upload({ limits: { memoryMb: 100 } }));
  const lowered = { memoryMb: 100, wallMs: 1_000, concurrency: null };
  assert.deepEqual(body.revision.limits, { ...DEFAULT_FUNCTION_LIMITS, ...lowered });
  const defaults = await tenant.call("PUT", PATH, upload());
  assert.deepEqual(defaults.body.revision.limits, { ...DEFAULT_FUNCTION_LIMITS, ...lowered });
});

test("a deploy that makes room rings the runs that waited for it", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", PATH, upload({ limits: { concurrency: 1 } }));
  const runIds: string[] = [];
  for (let index = 0; index < 3; index += 1) {
    const headers = { prefer: "respond-async" };
    runIds.push((await tenant.call("POST", `${PATH}/invoke`, { body: null, headers })).body.runId);
  }
  assert.equal((await claimRuns(api.store, await makeWorker(api.db), runIds)).length, 1);
  const isNewBell = ({ runId }: { runId: string }) => runId === runIds[1];
  const rungBefore = api.bells.items.filter(isNewBell).length;
  await tenant.call("PUT", PATH, upload({ limits: { concurrency: 2 } }));
  await api.bells.waitFor(isNewBell, { count: rungBefore + 1 });
  assert.equal((await claimRuns(api.store, await makeWorker(api.db), runIds)).length, 1);
});
