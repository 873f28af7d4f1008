import assert from "node:assert/strict";
import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { parseNetworks } from "./address-policy.ts";
import { createEgress, type Egress } from "./egress.ts";
import { EgressError } from "./egress-error.ts";
import { InterimResponses } from "./interim-responses.ts";

const FINAL = "HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\nHTTP/1.1 100 Continue, said";
const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";
const HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Odd: HTTP/1.1 100\r\n\r\n";
const ANSWER = FINAL.slice(0, -1);
const CASES: Record<string, string> = {
  "100": CONTINUE,
  "a 100 with fields": "HTTP/1.1 100 Continue\r\nServer: x\r\nConnection: keep-alive\r\n\r\n",
  "a 100 without a reason": "HTTP/1.1 100\r\n\r\n",
  "a 100 of HTTP/1.0": "HTTP/1.0 100 Continue\r\n\r\n",
  "a 100 that ends the connection": "HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n",
  "102": "HTTP/1.1 102 Processing\r\n\r\n",
  "103": HINTS,
  "100 and 103": CONTINUE + HINTS,
  "103, 100, 100 and 199": `${HINTS}${CONTINUE}${CONTINUE}HTTP/1.1 199 Odd\r\n\r\n`,
};

let server: net.Server;
let url: string;
let egress: Egress;
/** What each request is answered with, in order of their coming; the pieces are written one after another. */
let answers: string[][] = [];
let connections = 0;

before(async () => {
  egress = createEgress({ allow: parseNetworks("127.0.0.1"), connectionsPerOrigin: 1 });
  server = net.createServer((socket) => {
    connections++;
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("data", async () => {
      for (const piece of answers.shift()!) await new Promise<unknown>((done) => socket.write(piece, done));
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
after(async () => {
  await egress.close();
  server.close();
});

const asked = { method: "GET", headers: {}, signal: new AbortController().signal };

async function request(): Promise<string> {
  const response = await egress.request({ ...asked, url, followRedirects: true, maxResponseBytes: 1_000 });
  return `${response.status} ${response.body}`;
}

async function stream(): Promise<string> {
  const response = await egress.stream({ ...asked, url, tenant: "t", redirect: "follow" });
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body!) chunks.push(chunk);
  return `${response.status} ${Buffer.concat(chunks)}`;
}

describe("an interim response that nobody asked for", () => {
  for (const [kind, send] of Object.entries({ request, stream })) {
    for (const [name, interim] of Object.entries(CASES)) {
      it(`${name}: a ${kind} hears the answer behind it, and the connection serves on`, async () => {
        answers = [[interim + ANSWER], [interim, ANSWER], [...interim, ANSWER]];
        const before = connections;
        for (let count = 0; count < 3; count++) assert.equal(await send(), "200 HTTP/1.1 100 Continue, sai");
        assert.ok(connections - before <= 1, "one connection is enough");
      });
    }

    it(`a ${kind} that is answered 101 fails in plain words`, async () => {
      for (const fields of ["Connection: upgrade\r\nUpgrade: websocket\r\n", ""]) {
        answers = [[`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n`]];
        await assert.rejects(send(), (error) => {
          assert.ok(error instanceof EgressError);
          assert.equal(error.code, "bad_response");
          assert.match(error.message, /switched to another protocol \(101\), which was not asked for/);
          return true;
        });
      }
    });
  }

  it("is left out whatever its pieces, and nothing else is", () => {
    const whole = `\r\n${CONTINUE}${HINTS}\r\n${CONTINUE}${FINAL}${CONTINUE}`;
    for (let size = 1; size <= whole.length; size++) {
      const interim = new InterimResponses();
      interim.expect();
      const passed = [];
      for (let from = 0; from < whole.length; from += size) {
        passed.push(interim.pass(Buffer.from(whole.slice(from, from + size))));
      }
      assert.equal(Buffer.concat(passed).toString(), FINAL + CONTINUE, `in pieces of ${size}`);
    }
  });

  it("cannot hold back what is no HTTP", () => {
    for (const junk of ["x", "SSH-2.0-OpenSSH", "HTTP/1.1 1x", "HTTP/2", "\r\nHTTP/1.1 101 Switching"]) {
      const interim = new InterimResponses();
      interim.expect();
      assert.equal(interim.pass(Buffer.from(junk)).toString(), junk.trimStart());
    }
  });
});
