/**
 * One table of attempts to get past the guard, tried in each way in which a request leaves: gathered (http tasks, callbacks)
 * and streamed (fetch), at once and after a redirect, with loopback closed with loopback allowed and its address denied,
 * and with the networks allowed that carry IPv4 inside IPv6.
 * A canary listens at every address of the machine; whoever reaches it elsewhere than where the rules say has got past.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { type AddressInfo, connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { parseNetworks } from "./address-policy.ts";
import type { Resolve } from "./connector.ts";
import { createEgress, type Egress, type EgressOptions } from "./egress.ts";
import { EgressError } from "./egress-error.ts";

/** The only address that is open. */
const OPEN = "127.0.0.2";

/** Hosts that lead to where nothing may go. All are written with the canary's port. */
const HOSTS: Record<string, string[]> = {
  "loopback, in every spelling of IPv4": [
    ...["127.0.0.1", "127.1", "127.0.1", "127.0.0.1.", "127.255.255.254", "2130706433", "0x7f000001"],
    ...["017700000001", "0x7f.0x0.0x0.0x1", "0177.0.0.01", "0x7f.1", "127.0x1", "00000177.1", "0x7F.0.0.1"],
  ],
  "this host": ["0", "0.0.0.0", "0x0", "[::]", "[0:0:0:0:0:0:0:0]"],
  "loopback, in IPv6": ["[::1]", "[0:0:0:0:0:0:0:1]", "[::0001]", "[0::1]"],
  "IPv4 inside IPv6": [
    ...["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[::FFFF:127.0.0.1]"],
    ...["[::127.0.0.1]", "[::7f00:1]", "[::ffff:0:127.0.0.1]", "[::ffff:0.0.0.0]"],
  ],
  "translated and tunnelled": [
    ...["[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[64:ff9b::a00:1]"],
    ...[
      "[2002:7f00:1::1]",
      "[2002:a9fe:a9fe::]",
      "[2001:0:7f00:1::]",
      "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    ],
  ],
  "link-local and metadata": [
    ...["169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.43518"],
    ...[
      "[::ffff:a9fe:a9fe]",
      "[fe80::1]",
      "[fd00:ec2::254]",
      "100.100.100.200",
      "168.63.129.16",
      "192.0.0.192",
    ],
  ],
  "private and shared": [
    ...["10.0.0.1", "10.1", "0xa000001", "172.16.0.1", "192.168.0.1", "192.168.257", "100.64.0.1"],
    ...["[fc00::1]", "[fd12:3456::1]", "[fec0::1]"],
  ],
  "multicast, broadcast, reserved": ["224.0.0.1", "255.255.255.255", "240.0.0.1", "[ff02::1]", "[100::1]"],
  "digits and dots of other scripts": [
    "127。0。0。1",
    "１２７.０.０.１",
    "①②⑦.⓪.⓪.①",
    "127｡0｡0｡1",
    "%31%32%37.0.0.1",
  ],
  "names that resolve there": [
    "localhost",
    "LOCALHOST",
    "localhost.",
    "inside.test",
    "inside.test.",
    "mapped.test",
  ],
  "an address behind credentials": [
    ...[
      "example.com@127.0.0.1",
      "example.com:80@127.0.0.1",
      "127.0.0.2@127.0.0.1",
      "a:b@[::1]",
      "@127.0.0.1",
    ],
    ...["example.com%2f@127.0.0.1", "127.0.0.2%00@127.0.0.1"],
  ],
};

/** URLs whose form misleads; PORT is the canary's. */
const URLS = [
  ...[
    "http:127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT\\",
  ],
  ...[
    "http://127.0.0.1:PORT\\@127.0.0.2/",
    "http://127.0.0.1:PORT#@127.0.0.2/",
    "http://127.0.0.1:PORT?@127.0.0.2/",
  ],
  ...[
    "HTTP://127.0.0.1:PORT/",
    "\thttp://127.0.0.1:PORT/",
    "http://127.0.\n0.1:PORT/",
    " http://127.0.0.1:PORT/ ",
  ],
  ...["http://127.0.0.1:0PORT/", "http://127.0.0.\t1:PORT/"],
];

/** Where no HTTP is expected, at the address that is open. */
const PORTS = [
  "22",
  "23",
  "25",
  "110",
  "143",
  "465",
  "587",
  "993",
  "6000",
  "6667",
  "10080",
  "0",
  "0025",
  "00587",
];

const OTHERS = [
  ...["ftp://127.0.0.2:PORT/", "file:///etc/passwd", "gopher://127.0.0.2:PORT/_x", "ws://127.0.0.2:PORT/"],
  ...[
    "data:text/plain,x",
    "javascript:alert(1)",
    "//127.0.0.1:PORT/",
    "127.0.0.1:PORT",
    "http://",
    "unix:/var/run/x",
  ],
  ...[
    "http://[fe80::1%25eth0]:PORT/",
    "http://[::1%lo]:PORT/",
    "http://127.0.0.1:65536/",
    "http://127.0.0.256:PORT/",
  ],
];

const NAMES: Record<string, string> = {
  ...{ localhost: "127.0.0.1", "inside.test": "127.0.0.1", "mapped.test": "::ffff:127.0.0.1" },
  "open.test": OPEN,
};
const resolve: Resolve = async (hostname) => {
  const address = NAMES[hostname.replace(/\.$/, "").toLowerCase()];
  return address === undefined ? [] : [{ address, family: address.includes(":") ? 6 : 4 }];
};

const canary = http.createServer();
let port: number;
/** Where it was reached although nothing may go there. */
const reached: string[] = [];
let redirectTo: string | undefined;

canary.on("request", (request, response) => {
  const local = request.socket.localAddress!.replace("::ffff:", "");
  if (local !== OPEN) reached.push(`${local} ${request.url}`);
  if (redirectTo !== undefined && request.url === "/redirect")
    response.writeHead(307, { location: redirectTo }).end();
  else response.end("reached");
});
before(async () => {
  // `::` takes IPv4 along; it is refused where the machine has no IPv6.
  await listen(canary, "::").catch(() => listen(canary, "0.0.0.0"));
  port = (canary.address() as AddressInfo).port;
});
after(() => {
  canary.close();
  canary.closeAllConnections();
});

async function listen(server: http.Server, address: string): Promise<void> {
  await once(server.listen(0, address), "listening");
}

/** Not everywhere is all of 127.0.0.0/8 loopback: macOS has 127.0.0.1 alone, and refuses to listen elsewhere at once. */
async function answersAt(address: string): Promise<boolean> {
  const server = http.createServer();
  try {
    await listen(server, address);
    const socket = connect((server.address() as AddressInfo).port, address);
    await once(socket, "connect").finally(() => socket.destroy());
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

const attempts = (): string[] => [
  ...Object.values(HOSTS)
    .flat()
    .map((host) => `http://${host}:${port}/`),
  ...[...URLS, ...OTHERS].map((url) => url.replace("PORT", String(port))),
  ...PORTS.map((each) => `http://${OPEN}:${each}/`),
];

type Send = (egress: Egress, url: string) => Promise<unknown>;

const common = (url: string) => ({ url, method: "GET", signal: new AbortController().signal });

const WAYS: Record<string, Send> = {
  gathered: (egress, url) =>
    egress.request({ ...common(url), headers: {}, followRedirects: true, maxResponseBytes: 1_024 }),
  streamed: async (egress, url) => {
    const { body } = await egress.stream({ ...common(url), tenant: "one", headers: {}, redirect: "follow" });
    for await (const _ of body ?? []);
  },
};

const RULES: Record<string, Pick<EgressOptions, "allow" | "deny">> = {
  "loopback closed but for one address": { allow: parseNetworks(OPEN) },
  "loopback allowed, and denied but for one address": {
    allow: parseNetworks("0.0.0.0/8, 127.0.0.0/8, ::/127"),
    deny: parseNetworks("0.0.0.0/8, 127.0.0.0/31, 127.0.0.128/25, 127.255.0.0/16, ::/127"),
  },
  "what carries IPv4 inside IPv6 allowed, and the IPv4 denied": {
    allow: parseNetworks(
      `${OPEN}, 64:ff9b::/96, 64:ff9b:1::/48, 2002::/16, 2001::/32, ::/96, ::ffff:0:0:0/96`,
    ),
    deny: parseNetworks("0.0.0.0/8, 10.0.0.0/8, 127.0.0.0/31, 169.254.0.0/16, ::/127"),
  },
};

const REFUSALS = new Set(["egress_blocked", "port_blocked", "invalid_request", "bad_redirect", "dns_failed"]);

async function refusalOf(sending: Promise<unknown>): Promise<string> {
  const thrown = await sending.then(
    () => undefined,
    (error: unknown) => error,
  );
  return thrown instanceof EgressError ? thrown.code : `answered (${String(thrown)})`;
}

const skip = (await answersAt(OPEN)) ? false : `${OPEN} does not answer on this machine`;

describe("attempts to get past the guard", { skip }, () => {
  for (const [named, rules] of Object.entries(RULES))
    for (const [way, send] of Object.entries(WAYS))
      test(`nothing gets past, ${way}, with ${named}`, async () => {
        const egress = createEgress({ ...rules, resolve });
        try {
          await send(egress, `http://open.test:${port}/`);
          const tried = attempts();
          assert.ok(tried.length > 100, `${tried.length} attempts`);
          for (const url of tried) {
            const refusal = await refusalOf(send(egress, url));
            assert.ok(REFUSALS.has(refusal), `${url} at once: ${refusal}`);
            // A location that names no host stays where it is, and is a path there.
            if (/^[\s\p{Cc}]*http:[/\\]{2}/iu.test(url)) {
              redirectTo = encodeURI(url.trim()).replaceAll(/%(?:25)?(5B|5D|23|5C|25)/gi, (_, hex: string) =>
                String.fromCharCode(Number.parseInt(hex, 16)),
              );
              const later = await refusalOf(send(egress, `http://${OPEN}:${port}/redirect`));
              assert.ok(REFUSALS.has(later), `${url} after a redirect: ${later}`);
            }
          }
          assert.deepEqual(reached, []);
        } finally {
          await egress.close();
        }
      });

  test("a name that leads elsewhere the next time is looked at the next time", async () => {
    const answers = [OPEN, "127.0.0.1", "::1", "::ffff:127.0.0.1"];
    for (const [way, send] of Object.entries(WAYS)) {
      const left = [...answers];
      const turning: Resolve = async () => {
        const address = left.shift()!;
        return [{ address, family: address.includes(":") ? 6 : 4 }];
      };
      for (const [index] of answers.entries()) {
        // Another one each time: a kept connection stays where it was opened.
        const egress = createEgress({ allow: parseNetworks(OPEN), resolve: turning });
        const refusal = await refusalOf(send(egress, `http://turning.test:${port}/`));
        assert.equal(refusal, index === 0 ? "answered (undefined)" : "egress_blocked", way);
        await egress.close();
      }
    }
    assert.deepEqual(reached, []);
  });
});
