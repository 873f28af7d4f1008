/** Keys are rotated and revoked while two APIs serve calls without a pause: no call of a key that is valid fails. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { until } from "../../core/store/testing/test-store.ts";
import { type ApiClient, type Cluster, startCluster } from "./cluster.ts";

interface MadeKey {
  id: string;
  key: string;
}

interface Call {
  status: number;
  beganAtMs: number;
}

/** Calls without a pause, until it is stopped. */
class Caller {
  readonly calls: Call[] = [];
  #isStopped = false;
  readonly #done: Promise<void>;

  constructor({ url }: ApiClient, key: string) {
    this.#done = this.#run(`${url}/v1/whoami`, { authorization: `Bearer ${key}` });
  }

  async #run(url: string, headers: Record<string, string>): Promise<void> {
    while (!this.#isStopped) {
      const beganAtMs = performance.now();
      const response = await fetch(url, { headers });
      await response.text();
      this.calls.push({ status: response.status, beganAtMs });
    }
  }

  /** Once it has made so many calls more that were answered so. */
  async reach(more: number, status = 200): Promise<void> {
    const from = this.calls.length;
    await until(
      async () => this.calls.slice(from).filter((each) => each.status === status).length >= more || undefined,
    );
  }

  async stop(): Promise<Call[]> {
    this.#isStopped = true;
    await this.#done;
    return this.calls;
  }
}

describe("keys under load", () => {
  let cluster: Cluster;
  let apis: ApiClient[];

  before(async () => {
    cluster = await startCluster({ schedulers: 0, workers: 0 });
    apis = [cluster.api, (await cluster.startApi()).client];
  });
  after(async () => await cluster?.stop());

  const makeKey = (name: string) => cluster.api.call<MadeKey>("POST", "/v1/keys", { name, scopes: ["read"] });
  const rotate = (id: string, overlap: string) =>
    cluster.api.call<MadeKey>("POST", `/v1/keys/${id}/rotate`, { overlap });
  const callWith = (key: string) => apis.map((api) => new Caller(api, key));
  const reachAll = (callers: Caller[], status = 200) =>
    Promise.all(callers.map((caller) => caller.reach(10, status)));

  async function assertNoneFailed(callers: Caller[]): Promise<void> {
    for (const caller of callers)
      assert.deepEqual(
        (await caller.stop()).filter(({ status }) => status !== 200),
        [],
      );
  }

  /**
   * What was asked a while after the end of a key was refused, everywhere. The second that is promised is held by the clock
   * of api/auth/keyring.test.ts; here an API may stand still for a moment while it answers.
   */
  async function assertEnded(callers: Caller[], endedAtMs: number): Promise<void> {
    for (const caller of callers) {
      const calls = await caller.stop();
      for (const { status, beganAtMs } of calls) {
        if (beganAtMs > endedAtMs + 2_000) assert.equal(status, 401);
        assert.ok(status === 200 || status === 401, `${status}`);
      }
    }
  }

  it("one is rotated and one revoked without a failed call of those that are valid", async () => {
    const [steady, rotating, leaving] = [
      await makeKey("steady"),
      await makeKey("rotating"),
      await makeKey("leaving"),
    ];
    const staying = callWith(steady.key);
    const old = callWith(rotating.key);
    const going = callWith(leaving.key);
    await reachAll([...staying, ...old, ...going]);

    const first = await rotate(rotating.id, "1h");
    const present = callWith(first.key);
    await reachAll([...staying, ...old, ...present]);

    await cluster.api.call("DELETE", `/v1/keys/${leaving.id}`);
    const revokedAtMs = performance.now();
    await reachAll(going, 401);
    await reachAll([...staying, ...old, ...present]);
    await assertEnded(going, revokedAtMs);

    // By now all go by the new secret: what is before it may end.
    await assertNoneFailed(old);
    const second = await rotate(rotating.id, "0s");
    const rotatedAtMs = performance.now();
    const last = callWith(second.key);
    await reachAll(present, 401);
    await reachAll([...staying, ...last]);
    await assertEnded(present, rotatedAtMs);
    await assertNoneFailed([...staying, ...last]);
  });
});
