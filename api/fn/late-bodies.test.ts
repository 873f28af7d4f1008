/** On real sockets: whoever sends a body slowly may not call any more by the time it is there. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { type TestContext, test } from "node:test";
import { sql } from "kysely";
import type { DirectCall } from "../../core/contracts/direct-call.ts";
import { until } from "../../core/store/testing/test-store.ts";
import { createListener } from "../http/listener.ts";
import { openApi } from "../testing/open-api.ts";

const SOURCE = { source: "export default { fetch: () => new Response('hello') };" };
const [FIRST, REST] = ["hello ", "there"];

const api = await openApi();

/** A function, workers that take every call of it at once, and a caller with a key that is not the owner's. */
async function open(t: TestContext, given: { public?: boolean } = {}) {
  const handedOver: DirectCall[] = [];
  api.parts.direct = {
    begin(call, events) {
      handedOver.push(call);
      events.onDone({ state: "succeeded", result: { status: 200, body: "hello" } });
    },
  };
  const owner = await api.newTenant();
  await owner.call("PUT", "/v1/functions/greet", { body: { ...SOURCE, ...given } });
  const { rows } = await sql<{ name: string }>`
    SELECT name FROM namespaces WHERE id = ${owner.namespaceId}`.execute(api.db);
  const namespace = rows[0]!.name;
  const server = createServer(createListener(api.app.fetch, api.edge));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });

  /** Sends the head and a part of the body, and returns once the API waits for the rest. */
  async function begin(key?: string) {
    const client = connect(port, "127.0.0.1").setEncoding("utf8");
    const answer = (async () => {
      let text = "";
      for await (const chunk of client) text += chunk;
      return { status: Number(text.split(" ")[1]), text };
    })();
    answer.catch(() => {});
    client.write(`POST /fn/${namespace}/greet HTTP/1.1\r\nhost: a\r\nconnection: close\r\n`);
    if (key !== undefined) client.write(`authorization: Bearer ${key}\r\n`);
    client.write(`content-length: ${FIRST.length + REST.length}\r\n\r\n${FIRST}`);
    await until(async () => api.edge.bodies.held > 0 || undefined);
    return {
      async finish() {
        client.write(REST);
        return await answer;
      },
    };
  }
  return { owner, namespace, handedOver, begin };
}

test("whoever may still call is heard", async (t) => {
  const { owner, begin, handedOver } = await open(t);
  const call = await begin(owner.key);
  const { status, text } = await call.finish();
  assert.equal(status, 200, text);
  assert.deepEqual(
    handedOver.map(({ http }) => http?.body),
    [FIRST + REST],
  );
  assert.equal(api.edge.bodies.held, 0);
});

test("a key that is revoked while a body comes calls nothing", async (t) => {
  const { owner, begin, handedOver } = await open(t);
  const { key } = await api.newCaller(owner.namespaceId, ["invoke"]);
  const call = await begin(key);
  const { items } = (await owner.call("GET", "/v1/keys")).body;
  const { id } = items.find(({ scopes }: { scopes: string[] }) => scopes[0] === "invoke");
  await owner.call("DELETE", `/v1/keys/${id}`);
  await until(async () => (await api.parts.keyring.findOwner(key!)) === undefined || undefined);
  const { status, text } = await call.finish();
  assert.equal(status, 401, text);
  assert.match(text, /"code":"unauthenticated"/);
  assert.deepEqual(handedOver, []);
});

test("a function that is made private while a body comes is not a stranger's to call", async (t) => {
  const { owner, namespace, begin, handedOver } = await open(t, { public: true });
  const call = await begin();
  await owner.call("PUT", "/v1/functions/greet", { body: { ...SOURCE, public: false } });
  await until(
    async () => (await api.parts.callables.findPublic(namespace, "greet")) === undefined || undefined,
  );
  const { status, text } = await call.finish();
  assert.equal(status, 401, text);
  assert.match(text, /"code":"unauthenticated"/);
  assert.deepEqual(handedOver, []);
});
