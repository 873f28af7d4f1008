/**
 * One table of attempts to get past the address policy, and a canary that listens at every address of the machine: whoever
 * reaches it elsewhere than where the rules say has got past. Each way in which something leaves has a test that takes it.
 */
import { once } from "node:events";
import http from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { after } from "node:test";
import type { Resolve } from "../connector.ts";

/** The only address that is open. */
export const OPEN = "127.0.0.2";

/** Hosts that lead to where nothing may go. All are written with the canary's port. */
export const HOSTS: Record<string, string[]> = {
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
export const resolveNames: Resolve = async (hostname) => {
  const address = NAMES[hostname.replace(/\.$/, "").toLowerCase()];
  return address === undefined ? [] : [{ address, family: address.includes(":") ? 6 : 4 }];
};

export interface Canary {
  port: number;
  /** Where a connection came although nothing may go there. */
  reached: string[];
  /** Where `/redirect` leads. */
  redirectTo: string | undefined;
  onConnection(): void;
}

/** Listens at every address of the machine until the file's tests are over. */
export async function openCanary(): Promise<Canary> {
  const server = http.createServer();
  const canary: Canary = { port: 0, reached: [], redirectTo: undefined, onConnection() {} };
  server.on("connection", ({ localAddress = "" }: Socket) => {
    const local = localAddress.replace("::ffff:", "");
    if (local !== OPEN) canary.reached.push(local);
    canary.onConnection();
  });
  server.on("request", ({ url }, response) => {
    if (canary.redirectTo !== undefined && url?.startsWith("/redirect"))
      response.writeHead(307, { location: canary.redirectTo }).end();
    else response.end("reached");
  });
  // `::` takes IPv4 along; it is refused where the machine has no IPv6.
  await listen(server, "::").catch(() => listen(server, "0.0.0.0"));
  canary.port = (server.address() as AddressInfo).port;
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  return canary;
}

async function listen(server: http.Server, address: string): Promise<void> {
  await once(server.listen(0, address), "listening");
}

/** Not everywhere is all of 127.0.0.0/8 loopback: macOS has 127.0.0.1 alone, and refuses to listen elsewhere at once. */
export async function answersAt(address: string): Promise<boolean> {
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

export const listUrls = (port: number): string[] => [
  ...Object.values(HOSTS)
    .flat()
    .map((host) => `http://${host}:${port}/`),
  ...[...URLS, ...OTHERS].map((url) => url.replace("PORT", String(port))),
  ...PORTS.map((each) => `http://${OPEN}:${each}/`),
];
