/** Out of the machine's walls without breaking the isolate: environment, files, processes, networks. */
import { type Attack, attacksOf, FINDS_NOTHING, type Targets } from "../attack.ts";

/**
 * Fetches each address and tells which answered, and which were tried at all: a refusal before anything is sent comes
 * at once, and by a code of its own. Only names may take their time, where no resolver answers.
 */
const FETCH_ALL = `
const TRIED = ["connect_failed", "connection_reset", "bad_response", "request_timeout", "tls_failed", "response_too_large", "fetch_failed"];
async function reached(urls: string[], init?: object, areNames = false): Promise<string[]> {
  const g = globalThis as any;
  if (!g.fetch) return [];
  const found: string[] = [];
  const late = new Promise((resolve) => setTimeout(() => resolve("late"), 1_500));
  await Promise.all(urls.map(async (url) => {
    try {
      const answer = await Promise.race([g.fetch(url, init), late]);
      if (answer !== "late") found.push(url + " answered " + answer.status);
      else if (!areNames) found.push(url + " was waited for");
    } catch (thrown: any) {
      if (TRIED.includes(thrown?.cause?.code)) found.push(url + " was tried: " + thrown.message);
    }
  }));
  return found;
}
`;
/** Stands for U+0000, which no input holds. */
const NUL = "<NUL>";
const fetching = (name: string, urls: (targets: Targets) => string[], init = "undefined"): Attack => ({
  name: name,
  source: `${FETCH_ALL}const named = (url: string) => url.replaceAll("${NUL}", "\\0");
export default (urls: string[]) => reached(urls.map(named), ${init});`,
  inputs: (targets) => [urls(targets)],
  limits: { memoryMb: 64, wallMs: 15_000 },
  expect: FINDS_NOTHING,
});
const portOf = (url: string) => new URL(url).port;
/** Ways to write 127.0.0.1. */
const LOOPBACKS = [
  "127.0.0.1",
  "localhost",
  "localhost.",
  "sub.localhost",
  "LOCALHOST",
  "127.1",
  "127.0.1",
  "2130706433",
  "0x7f000001",
  "0x7f.1",
  "0177.0.0.1",
  "017700000001",
  "0",
  "0.0.0.0",
  "127.0.0.1.",
  "127\u30020\u30020\u30021",
  "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
  "%31%32%37.0.0.1",
  "[::1]",
  "[::]",
  "[::ffff:127.0.0.1]",
  "[::ffff:7f00:1]",
  "[0:0:0:0:0:ffff:7f00:0001]",
  "[::127.0.0.1]",
  "[64:ff9b::7f00:1]",
  "[2002:7f00:1::]",
];
const METADATA = [
  "169.254.169.254",
  "2852039166",
  "0xa9fea9fe",
  "0xa9.0xfe.0xa9.0xfe",
  "0251.0376.0251.0376",
  "025177524776",
  "169.254.43518",
  "169.16689662",
  "[::ffff:169.254.169.254]",
  "[::ffff:a9fe:a9fe]",
  "[64:ff9b::a9fe:a9fe]",
  "[2002:a9fe:a9fe::]",
  "[fd00:ec2::254]",
  "[fe80::a9fe:a9fe]",
  "169\u3002254\u3002169\u3002254",
  "100.100.100.200",
  "168.63.129.16",
  "192.0.0.192",
  "169.254.170.2",
];
const METADATA_NAMES = [
  "169.254.169.254.nip.io",
  "a9fea9fe.nip.io",
  "metadata.google.internal",
  "metadata",
  "instance-data",
  "169-254-169-254.sslip.io",
];

const others: [string, string][] = [
  [
    "the environment",
    `export default (_: unknown, ctx: any) => { const g = globalThis as any; const found: string[] = []; for (const read of [() => g.process.env, () => g.Deno.env.toObject(), () => g.Bun.env, () => (import.meta as any).env, () => new Function("return process.env")(), () => (0, eval)("process").env]) { try { found.push(JSON.stringify(read())); } catch {} } for (const name of ["PATH", "HOME", "DATABASE_URL", "BELLHOP_API_KEY", "KAFKA_BROKERS", "NODE_OPTIONS"]) if (name in ctx.env || ctx.env[name] !== undefined) found.push(name); return found.filter((text) => text !== undefined && text !== "{}"); };`,
  ],
  [
    "require, process.binding, mainModule, dlopen",
    `export default () => { const g = globalThis as any; const found: string[] = []; for (const text of ["require('fs').readFileSync('/etc/passwd')", "process.binding('fs')", "process.mainModule.require('fs')", "process.dlopen({}, '/x')", "module.constructor._load('fs')", "module.parent.require('fs')", "exports.constructor.constructor('return require')()('fs')", "process.getBuiltinModule('fs').readFileSync('/etc/passwd')", "globalThis[Symbol.for('nodejs.util.inspect.custom')].x", "internalBinding('fs')", "process._linkedBinding('fs')", "require.main.require('fs')", "Deno.readTextFileSync('/etc/passwd')"]) { for (const run of [() => (0, eval)(text), () => eval(text), () => new Function("module", "exports", "return " + text)({ constructor: {} }, {})]) { try { found.push(text + " gave " + typeof run()); } catch {} } } return found; };`,
  ],
  [
    "the network by other classes than fetch",
    `export default async () => { const g = globalThis as any; const found: string[] = []; for (const name of ["WebSocketStream", "EventSource", "XMLHttpRequest", "WebTransport", "RTCPeerConnection", "Socket", "TCPSocket", "UDPSocket", "Worker", "SharedWorker", "importScripts", "BroadcastChannel", "indexedDB", "localStorage", "sessionStorage", "sqlite", "open"]) { if (name in g) found.push(name); } try { new g.WebSocket("ws://127.0.0.1:9/"); found.push("WebSocket"); } catch {} if (g.navigator?.sendBeacon || g.navigator?.serviceWorker || g.navigator?.locks) found.push("navigator"); return found; };`,
  ],
  [
    "processes and signals",
    `export default () => { const g = globalThis as any; const found: string[] = []; for (const text of ["process.kill(1, 9)", "process.exit(1)", "process.abort()", "process.reallyExit(1)", "process.pid", "process.ppid", "require('child_process').execSync('id')", "quit()", "os.exec(['id'])"]) { try { if ((0, eval)(text) !== undefined) found.push(text); } catch {} } for (const name of ["kill", "exit", "abort", "quit", "spawn", "fork", "exec"]) if (typeof g[name] === "function") found.push(name); return found; };`,
  ],
];

export const reach: Attack[] = [
  ...attacksOf(others, { expect: FINDS_NOTHING }),
  fetching(
    "the API, without and with keys",
    ({ api, foreignFunction, foreignRunId }) => [
      `${api}/v1/functions`,
      `${api}/v1/functions/${foreignFunction}/invoke`,
      `${api}/v1/runs/${foreignRunId}`,
      `${api}/healthz`,
    ],
    '{ headers: { authorization: "Bearer bh_guess" } }',
  ),
  fetching("the worker's own port", ({ worker }) => [
    `${worker}/metrics`,
    `${worker}/healthz`,
    `${worker}/readyz`,
  ]),
  fetching(
    "the database's port",
    ({ postgres }) => [`http://${postgres}/`],
    '{ method: "POST", body: "\\u0000\\u0000\\u0000\\u0008\\u0004\\u00d2\\u0016\\u002f" }',
  ),
  fetching("loopback, in every way to write it", ({ forbidden }) =>
    LOOPBACKS.map((host) => `http://${host}:${portOf(forbidden)}/`),
  ),
  fetching("the metadata address, in every way to write it", () =>
    METADATA.map((host) => `http://${host}/latest/meta-data/`),
  ),
  fetching(
    "the metadata address by names",
    () => METADATA_NAMES.map((host) => `http://${host}/computeMetadata/v1/`),
    '{ headers: { "metadata-flavor": "Google" } }, true',
  ),
  fetching("private networks", () => [
    "http://10.0.0.1/",
    "http://172.17.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://[fd00::1]/",
    "http://[fe80::1]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://198.18.0.1/",
    "http://240.0.0.1/",
  ]),
  fetching("hosts hidden by credentials, backslashes, fragments, tabs", ({ forbidden, allowed }) => {
    const [bad, good] = [`127.0.0.1:${portOf(forbidden)}`, new URL(allowed).host];
    return [
      `http://${good}@${bad}/`,
      `http://user:${good}@${bad}/`,
      `http://${bad}\\@${good}/`,
      `http://${bad}#@${good}/`,
      `http://${bad}?@${good}/`,
      `ht\ttp://${bad}/`,
      `http:\\\\${bad}\\x`,
      `//${bad}/`,
      `http:${bad}`,
      `${NUL}http://${bad}/`,
      `http://${bad};@${good}/`.replace(";", "%00"),
    ];
  }),
  fetching("other schemes", () => [
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1/",
    "unix:/var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
    "http://unix:/var/run/docker.sock:/info",
    "ws://127.0.0.1/",
    "javascript:1",

    "about:blank",
    "view-source:file:///etc/passwd",
    "jar:file:///x!/y",
  ]),
  fetching("inner addresses by a redirect", ({ allowed, forbidden, api, worker }) =>
    [
      forbidden,
      api,
      worker,
      "http://169.254.169.254/latest/",
      "http://[::ffff:a9fe:a9fe]/",
      `http://localhost:${portOf(forbidden)}/`,
      "file:///etc/passwd",
      "http://2852039166/",
    ].map((url) => `${allowed}/to?${encodeURIComponent(url)}`),
  ),
  fetching("inner addresses by redirects after redirects", ({ allowed, forbidden }) => [
    `${allowed}/to?${encodeURIComponent(`${allowed}/to?${encodeURIComponent(forbidden)}`)}`,
  ]),
  {
    name: "a redirect loop",
    source: `${FETCH_ALL}export default (url: string) => reached([url]);`,
    inputs: ({ allowed }) => [`${allowed}/loop`],
    limits: { subrequests: 10, wallMs: 4_000 },
    expect: FINDS_NOTHING,
  },
  {
    name: "open ports told from closed ones by error or by time",
    source: `export default async (urls: string[]) => { const g = globalThis as any; if (!g.fetch) return []; const seen = []; for (const url of urls) { try { await g.fetch(url); seen.push("answered"); } catch (thrown: any) { seen.push(String(thrown.message).replaceAll(url, "").replace(/\\d{2,5}/g, "") + String(thrown.cause?.code)); } } return [...new Set(seen)].slice(1); };`,
    inputs: ({ forbidden, worker }) => [
      [forbidden, worker, "http://127.0.0.1:1/", "http://127.0.0.1:65535/"].map(
        (url) => `${url.replace(/\/$/, "")}/`,
      ),
    ],
    expect: FINDS_NOTHING,
  },
  {
    name: "requests smuggled through headers, methods and paths",
    source: `export default async (allowed: string) => { const g = globalThis as any; if (!g.fetch) return []; const found: string[] = []; const tries: object[] = [{ headers: { a: "b\\r\\nx-injected: 1" } }, { headers: { "a\\r\\nx-injected": "1" } }, { method: "GET / HTTP/1.1\\r\\nx-injected: 1\\r\\n\\r\\nGET" }, { headers: { host: "x-injected.example" } }, { headers: { "transfer-encoding": "chunked", "content-length": "4" }, method: "POST", body: "0\\r\\n\\r\\nGET /x-injected HTTP/1.1\\r\\n\\r\\n" }, { headers: { connection: "x-injected", upgrade: "x-injected", te: "x-injected", "proxy-authorization": "x-injected", "keep-alive": "x-injected" } }]; for (const [no, init] of tries.entries()) { try { const text = await (await g.fetch(allowed + "/echo", init)).text(); if (text.includes("x-injected")) found.push(no + ": " + text); } catch {} } try { await g.fetch(allowed + "/echo\\r\\nx-injected: 1"); } catch {} return found; };`,
    inputs: ({ allowed }) => [allowed],
    expect: FINDS_NOTHING,
  },
  {
    name: "headers that a worker adds for itself: keys, run tokens, addresses",
    source: `export default async (allowed: string) => { const g = globalThis as any; if (!g.fetch) return []; const seen = JSON.parse(await (await g.fetch(allowed + "/echo")).text()); return Object.keys(seen.headers).filter((name) => !["host", "connection", "user-agent", "accept", "accept-language", "accept-encoding", "sec-fetch-mode", "traceparent"].includes(name)); };`,
    inputs: ({ allowed }) => [allowed],
    expect: FINDS_NOTHING,
  },
];
