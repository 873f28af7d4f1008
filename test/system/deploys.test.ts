/** Schedules that are deployed from CI, through real roles: the same set again and again, while they fire. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { listAllRuns } from "./runs.ts";

interface Applied {
  items: { key: string; change: string; id: string | null }[];
}
interface WireTask {
  id: string;
  nextRunAt: string | null;
  updatedAt: string;
}

describe("a deploy of schedules", () => {
  let cluster: Cluster;
  let sink: HttpSink;

  before(async () => {
    [cluster, sink] = await Promise.all([startCluster({ schedulers: 1, workers: 1 }), createHttpSink()]);
  });
  after(async () => {
    await cluster?.stop();
    await sink?.close();
  });

  const call = <T = WireTask>(method: string, path: string, body?: unknown) =>
    cluster.api.call<T>(method, path, body);
  const task = (key: string, version: string) => ({
    ...{ key, type: "http", url: `${sink.url}/${key}?${version}`, schedule: { every: "1s" } },
    labels: { app: "billing" },
  });
  const deploy = async (...items: object[]) => {
    const { items: done } = await call<Applied>("POST", "/v1/tasks/apply", {
      ...{ items, prune: { label: "app=billing" } },
    });
    return Object.fromEntries(done.map(({ key, change }) => [key, change]));
  };
  const urlsSince = (from: number) => sink.requests.slice(from).map(({ url }) => url);

  it("leaves what is the same on its grid, changes the rest from then on, and ends what is not named", async () => {
    assert.deepEqual(await deploy(task("steady", "1"), task("changing", "1"), task("going", "1")), {
      ...{ steady: "created", changing: "created", going: "created" },
    });
    const made = await call("GET", "/v1/tasks/steady");
    for (const key of ["steady", "changing", "going"]) await sink.waitFor(({ url }) => url === `/${key}?1`);

    const { id } = await call("PUT", "/v1/tasks/steady", task("steady", "1"));
    const again = await call("PUT", "/v1/tasks/steady", task("steady", "1"));
    assert.deepEqual([id, again.id, again.updatedAt], [made.id, made.id, made.updatedAt]);

    const deployed = deploy(task("steady", "1"), task("changing", "2"));
    assert.deepEqual(await deployed, { steady: "unchanged", changing: "updated", going: "pruned" });
    // Runs that had begun by then are done; from here on nothing may come of what was.
    await sink.waitFor(({ url }) => url === "/changing?2");
    const settled = sink.requests.length;
    const steady = sink.requests.filter(({ url }) => url === "/steady?1").length;
    await Promise.all([
      sink.waitFor(({ url }) => url === "/changing?2", { count: 3 }),
      sink.waitFor(({ url }) => url === "/steady?1", { count: steady + 1 }),
    ]);
    const seen = urlsSince(settled);
    assert.ok(!seen.includes("/changing?1") && !seen.includes("/going?1"), seen.join(" "));
  });

  it("loses no instant of what stays the same, however often it is deployed", async () => {
    const { id } = await call("GET", "/v1/tasks/steady");
    for (let round = 0; round < 20; round += 1)
      await deploy(task("steady", "1"), task("changing", `r${round}`));
    await sink.waitFor(({ url }) => url === "/changing?r19");
    const runs = await listAllRuns(cluster.api, `/v1/tasks/${id}/runs`);
    const instants = runs.map(({ scheduledFor }) => Date.parse(scheduledFor)).sort((a, b) => a - b);
    const steps = instants.slice(1).map((at, index) => at - instants[index]!);
    assert.ok(instants.length >= 3);
    // A machine that is busy may be late by more than a second: then instants are merged, never moved.
    assert.ok(
      steps.every((step) => step > 0 && step % 1_000 === 0),
      steps.join(" "),
    );
    const history = await call<{ items: { change: string }[] }>("GET", "/v1/tasks/steady/changes");
    assert.deepEqual(
      history.items.map(({ change }) => change),
      ["created"],
    );
  });
});
