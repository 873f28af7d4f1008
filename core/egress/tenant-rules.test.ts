/** Rules of tenants' own, beside those of the installation. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { parseNetworks } from "./address-policy.ts";
import type { Resolve } from "./connector.ts";
import { createEgress, type Egress, type EgressOptions } from "./egress.ts";
import { EgressError } from "./egress-error.ts";
import type { EgressRules } from "./tenant-rules.ts";

/** Resolved when a request to `/held` has come, which is answered once it is let go. */
let holding = Promise.withResolvers<void>();
let letGo = () => {};
let connections = 0;
let received = 0;
/** Answers with the number of the connection; `/to/<host>` leads there. */
const server = http.createServer(async (request, response) => {
  received++;
  if (request.url === "/held") {
    const letting = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    holding.resolve();
    await letting;
  }
  const to = request.url!.split("/to/")[1];
  if (to) response.writeHead(307, { location: `http://${to}:${port}/` });
  response.end(String(connections));
});
server.on("connection", () => connections++);
await once(server.listen(0, "127.0.0.1"), "listening");
const { port } = server.address() as AddressInfo;
const LOOPBACK = parseNetworks("127.0.0.1");
const resolve: Resolve = async () => [{ address: "127.0.0.1", family: 4 }];

const says = (rules: Partial<EgressRules>): EgressRules => ({ allow: [], deny: [], hosts: null, ...rules });
const rules = new Map<string, EgressRules>();
const tenantRules = async (tenant: string) => {
  if (tenant === "unknown") throw new Error("the database is away");
  if (tenant === "never") return await new Promise<undefined>(() => {});
  return rules.get(tenant);
};
const opened: Egress[] = [];
const open = (options: Partial<EgressOptions> = {}) => {
  const egress = createEgress({ allow: LOOPBACK, resolve, tenantRules, connectionsPerOrigin: 1, ...options });
  opened.push(egress);
  return egress;
};
after(async () => {
  await Promise.all(opened.map((egress) => egress.close()));
  server.close();
});

type Ask = (egress: Egress, tenant: string, host: string, trusted?: boolean) => Promise<string>;
const common = (tenant: string) => ({
  ...{ method: "GET", headers: {}, tenant },
  signal: tenant === "never" ? AbortSignal.timeout(1) : new AbortController().signal,
});
const WAYS: Record<string, Ask> = {
  async gathered(egress, tenant, host, trusted) {
    const url = `http://${host.replace("/", `:${port}/`)}`;
    const request = { ...common(tenant), url, trusted, followRedirects: true, maxResponseBytes: 100 };
    return String((await egress.request(request)).body);
  },
  async streamed(egress, tenant, host) {
    const url = `http://${host.replace("/", `:${port}/`)}`;
    const { body } = await egress.stream({ ...common(tenant), url, redirect: "follow" });
    const chunks: Uint8Array[] = [];
    for await (const chunk of body ?? []) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  },
};

async function refusalOf(asking: Promise<string>): Promise<[string, boolean] | "answered"> {
  const thrown = await asking.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown === undefined) return "answered";
  assert.ok(thrown instanceof EgressError, String(thrown));
  return [thrown.code, thrown.retryable];
}
const BLOCKED = ["egress_blocked", false];

for (const [way, ask] of Object.entries(WAYS))
  describe(`rules of a tenant, ${way}`, () => {
    test("close for it alone what is open, and open for it alone what is closed", async () => {
      rules.set("closed", says({ deny: LOOPBACK })).set("open", says({ allow: LOOPBACK }));
      const [wide, narrow] = [open(), open({ allow: [] })];
      assert.deepEqual(await refusalOf(ask(wide, "closed", "127.0.0.1/")), BLOCKED);
      assert.deepEqual(await refusalOf(ask(wide, "closed", "name.test/")), BLOCKED);
      assert.equal(await refusalOf(ask(wide, "other", "127.0.0.1/")), "answered");
      assert.equal(await refusalOf(ask(narrow, "open", "name.test/")), "answered");
      assert.deepEqual(await refusalOf(ask(narrow, "other", "name.test/")), BLOCKED);
    });

    test("open nothing that the installation denies", async () => {
      rules.set("bold", says({ allow: parseNetworks("0.0.0.0/0, ::/0") }));
      const egress = open({ deny: LOOPBACK });
      assert.deepEqual(await refusalOf(ask(egress, "bold", "127.0.0.1/")), BLOCKED);
      assert.deepEqual(await refusalOf(ask(egress, "bold", "name.test/")), BLOCKED);
    });

    test("name the only hosts, at once and after a redirect", async () => {
      rules.set("named", says({ hosts: ["api.test", "*.below.test"] }));
      const egress = open();
      const asked = (host: string) => refusalOf(ask(egress, "named", host));
      for (const host of ["api.test/", "API.test/", "api.test./", "a.below.test/", "a.b.below.test/"])
        assert.equal(await asked(host), "answered", host);
      for (const host of [
        ...[
          "127.0.0.1/",
          "other.test/",
          "below.test/",
          "notbelow.test/",
          "api.test.evil.test/",
          "xapi.test/",
        ],
        ...["api.test@other.test/", "api.test/to/other.test", "api.test/to/127.0.0.1", "api.test../"],
      ])
        assert.deepEqual(await asked(host), BLOCKED, host);
      assert.equal(await asked("api.test/to/a.below.test"), "answered");
    });

    test("that have changed are obeyed by the next request, not by its kept connection", async () => {
      const egress = open();
      rules.delete("changing");
      const first = await ask(egress, "changing", "name.test/");
      assert.equal(await ask(egress, "changing", "name.test/"), first, "the connection is kept");
      rules.set("changing", says({ deny: LOOPBACK }));
      assert.deepEqual(await refusalOf(ask(egress, "changing", "name.test/")), BLOCKED);
      rules.set("changing", says({ deny: parseNetworks("10.0.0.0/8") }));
      const next = await ask(egress, "changing", "name.test/");
      assert.notEqual(next, first);
      assert.equal(await ask(egress, "changing", "name.test/"), next);
    });

    test("whose hosts alone have changed are obeyed by the next request, not by its kept connection", async () => {
      const egress = open();
      rules.delete("renamed");
      const first = await ask(egress, "renamed", "name.test/");
      assert.equal(await ask(egress, "renamed", "name.test/"), first, "the connection is kept");
      rules.set("renamed", says({ hosts: ["other.test"] }));
      const receivedBefore = received;
      for (const time of ["at once", "and again"])
        assert.deepEqual(await refusalOf(ask(egress, "renamed", "name.test/")), BLOCKED, time);
      assert.equal(received, receivedBefore, "nothing was received");
      rules.set("renamed", says({ hosts: ["name.test"] }));
      assert.notEqual(await ask(egress, "renamed", "name.test/"), first);
    });

    test("that refuse a host keep nothing for it, and close nothing of the others", async () => {
      const egress = open({ maxOrigins: 1 });
      rules.set("refusing", says({ hosts: ["name.test"] }));
      const first = await ask(egress, "refusing", "name.test/");
      const receivedBefore = received;
      for (const time of ["at once", "and again"])
        assert.deepEqual(await refusalOf(ask(egress, "refusing", "other.test/")), BLOCKED, time);
      assert.equal(received, receivedBefore, "nothing was received");
      assert.equal(await ask(egress, "refusing", "name.test/"), first, "the connection is kept");
    });

    for (const [change, changed] of Object.entries({ networks: { deny: LOOPBACK }, hosts: { hosts: [] } }))
      test(`whose ${change} have changed are obeyed by what still waits for a connection`, async () => {
        const egress = open();
        rules.delete("waiting");
        holding = Promise.withResolvers<void>();
        const first = ask(egress, "waiting", "name.test/held");
        await holding.promise;
        // Of its one connection.
        const second = refusalOf(ask(egress, "waiting", "name.test/"));
        await setImmediate();
        rules.set("waiting", says(changed));
        assert.deepEqual(await refusalOf(ask(egress, "waiting", "name.test/")), BLOCKED);
        letGo();
        assert.ok(Number(await first) > 0, "what was under way goes on");
        assert.deepEqual(await second, ["aborted", true]);
      });

    test("that are waited for are waited for no longer than the request may take", async () => {
      const egress = open();
      const asking = ask(egress, "never", "name.test/");
      await assert.rejects(asking, { code: "request_timeout" });
    });

    test("that cannot be had let nothing out, and may be had later", async () => {
      assert.deepEqual(await refusalOf(ask(open(), "unknown", "name.test/")), ["connect_failed", true]);
    });
  });

test("a trusted request goes where its operator says, whatever its tenant may", async () => {
  rules.set("closed", says({ deny: LOOPBACK, hosts: [] }));
  assert.equal(await refusalOf(WAYS["gathered"]!(open(), "closed", "name.test/", true)), "answered");
});

test("a request that waits for rules while the way out is closed is aborted", async () => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const egress = createEgress({ allow: LOOPBACK, tenantRules: () => promise });
  const asking = refusalOf(WAYS["gathered"]!(egress, "late", "127.0.0.1/"));
  await egress.close();
  resolve(undefined);
  assert.deepEqual(await asking, ["aborted", true]);
});
