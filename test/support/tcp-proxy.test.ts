import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Impairment, startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

describe("a proxy that impairs what passes to a server that echoes it", () => {
  let proxy: TcpProxy;
  let client: Socket;
  let end: () => void;

  beforeEach(async () => {
    const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
    await once(server.listen(0, "127.0.0.1"), "listening");
    proxy = await startTcpProxy((server.address() as AddressInfo).port);
    client = connect(proxy.port, "127.0.0.1").setEncoding("utf8");
    await once(client, "connect");
    end = () => server.close();
  });
  afterEach(async () => {
    client.destroy();
    await proxy.close();
    end();
  });

  it("keeps the order of what is late and what is not", async () => {
    const met: Impairment[] = [0, 0, 30, 0];
    proxy.impair(() => met.shift() ?? 0);
    const hear = async () => String((await once(client, "data"))[0]);
    client.write("first ");
    assert.equal(await hear(), "first ");
    // The second is late on its way there; the third overtakes it nowhere.
    client.write("second ");
    setImmediate(() => client.write("third"));
    let heard = "";
    while (heard.length < "second third".length) heard += await hear();
    assert.equal(heard, "second third");
  });

  it("breaks a connection whose piece is lost for good", async () => {
    proxy.impair(() => "reset");
    client.write("anything");
    const [error] = await once(client, "error");
    assert.equal((error as NodeJS.ErrnoException).code, "ECONNRESET");
  });
});
