/** Public libraries as functions use them: what is written, and what must come of it. Versions are the lock's. */
import type { Json } from "../../core/json.ts";

export interface LibraryCase {
  /** The library, and what of it. */
  name: string;
  /** A module as its author writes it. */
  source: string;
  /** What its function answers. */
  answer: Json;
}

/** `imports`, and the body of a function of `(input, ctx)`. */
const body = (name: string, imports: string, code: string, answer: Json): LibraryCase => ({
  name,
  source: `${imports}\nexport default async (input: any, ctx: any) => { ${code} };`,
  answer,
});

/** A `jwt` of HS256 over {"sub":"ada"} with the key "key". */
const JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEifQ.";

const data: LibraryCase[] = [
  body(
    "ajv",
    `import Ajv from "ajv";`,
    `const validate = new Ajv().compile({ type: "object", required: ["a"], properties: { a: { type: "integer" } } }); return [validate({ a: 1 }), validate({ a: "x" }), validate.errors![0]!.instancePath];`,
    [true, false, "/a"],
  ),
  body(
    "zod",
    `import { z } from "zod";`,
    `return [z.object({ a: z.coerce.number() }).parse({ a: "2" }), z.email().safeParse("x").success];`,
    [{ a: 2 }, false],
  ),
  body(
    "valibot",
    `import * as v from "valibot";`,
    `return [v.parse(v.object({ a: v.string() }), { a: "b" }), v.safeParse(v.number(), "x").success];`,
    [{ a: "b" }, false],
  ),
  body(
    "superstruct",
    `import { object, string, is } from "superstruct";`,
    `return [is({ a: "b" }, object({ a: string() })), is({}, object({ a: string() }))];`,
    [true, false],
  ),
  body(
    "lodash",
    `import _ from "lodash";`,
    `return [_.chunk([1, 2, 3], 2), _.camelCase("foo bar"), _.cloneDeep({ a: new Date(0) }).a.getTime(), _.isBuffer(Buffer.from(""))];`,
    [[[1, 2], [3]], "fooBar", 0, true],
  ),
  body(
    "ramda",
    `import * as R from "ramda";`,
    `return R.pipe(R.map((n: number) => n * 2), R.sum)([1, 2]);`,
    6,
  ),
  body(
    "immer",
    `import { produce } from "immer";`,
    `const before = { list: [1] }; const after = produce(before, (draft) => { draft.list.push(2); }); return [before.list, after.list];`,
    [[1], [1, 2]],
  ),
  body(
    "fast-deep-equal",
    `import equal from "fast-deep-equal";`,
    `return [equal({ a: [1] }, { a: [1] }), equal([1], [2])];`,
    [true, false],
  ),
  body(
    "decimal.js",
    `import Decimal from "decimal.js";`,
    `return new Decimal("0.1").plus("0.2").toString();`,
    "0.3",
  ),
  body(
    "semver",
    `import semver from "semver";`,
    `return [semver.satisfies("1.2.3", "^1.0.0"), semver.inc("1.2.3", "minor")];`,
    [true, "1.3.0"],
  ),
  body(
    "object-hash",
    `import hash from "object-hash";`,
    `return hash({ a: 1 }) === hash({ a: 1 }) && hash({ a: 1 }).length;`,
    40,
  ),
  body(
    "graphql",
    `import { graphql, buildSchema } from "graphql";`,
    `return JSON.parse(JSON.stringify(await graphql({ schema: buildSchema("type Query { hi(name: String): String }"), source: '{ hi(name: "Ada") }', rootValue: { hi: ({ name }: any) => "hi " + name } })));`,
    { data: { hi: "hi Ada" } },
  ),
];

const time: LibraryCase[] = [
  body(
    "date-fns",
    `import { addDays, formatISO } from "date-fns";`,
    `return formatISO(addDays(new Date(Date.UTC(2026, 0, 31)), 1), { representation: "date" });`,
    "2026-02-01",
  ),
  body(
    "dayjs",
    `import dayjs from "dayjs"; import utc from "dayjs/plugin/utc.js"; dayjs.extend(utc);`,
    `return dayjs.utc("2026-01-31").add(1, "month").format("YYYY-MM-DD");`,
    "2026-02-28",
  ),
  body(
    "luxon",
    `import { DateTime } from "luxon";`,
    `return DateTime.fromISO("2026-03-29T00:30", { zone: "Europe/Rome" }).plus({ hours: 2 }).toISO();`,
    "2026-03-29T03:30:00.000+02:00",
  ),
  body("ms", `import ms from "ms";`, `return [ms("2h"), ms(60_000)];`, [7_200_000, "1m"]),
];

const asynchrony: LibraryCase[] = [
  body(
    "rxjs",
    `import { from, lastValueFrom, map, reduce } from "rxjs";`,
    `return lastValueFrom(from([1, 2, 3]).pipe(map((n) => n * 2), reduce((sum, n) => sum + n, 0)));`,
    12,
  ),
  body(
    "mitt",
    `import mitt from "mitt";`,
    `const seen: any[] = []; const emitter = mitt(); emitter.on("*", (type, value) => seen.push(type, value)); emitter.emit("a", 1); return seen;`,
    ["a", 1],
  ),
  body(
    "eventemitter3",
    `import EventEmitter from "eventemitter3";`,
    `const seen: any[] = []; const emitter = new EventEmitter(); emitter.once("a", (value) => seen.push(value)); emitter.emit("a", 1); emitter.emit("a", 2); return seen;`,
    [1],
  ),
  body(
    "p-limit, which keeps stores by node:async_hooks",
    `import pLimit from "p-limit";`,
    `const limit = pLimit(1); let at = 0; let most = 0; await Promise.all([1, 2, 3].map(() => limit(async () => { most = Math.max(most, ++at); await null; at--; }))); return most;`,
    1,
  ),
  body(
    "p-queue",
    `import PQueue from "p-queue";`,
    `const queue = new PQueue({ concurrency: 1 }); const order: number[] = []; await Promise.all([queue.add(async () => order.push(1)), queue.add(async () => order.push(2), { priority: 1 }), queue.add(async () => order.push(3))]); return order.length;`,
    3,
  ),
  body(
    "p-retry",
    `import pRetry from "p-retry";`,
    `let tries = 0; return pRetry(async () => { if (++tries < 3) throw new Error("again"); return tries; }, { minTimeout: 1, factor: 1 });`,
    3,
  ),
  body(
    "@opentelemetry/context-async-hooks",
    `import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks"; import { context, createContextKey, ROOT_CONTEXT } from "@opentelemetry/api";`,
    `context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()); const key = createContextKey("k"); return context.with(ROOT_CONTEXT.setValue(key, "kept"), async () => { await new Promise((resolve) => setTimeout(resolve, 1)); return context.active().getValue(key); });`,
    "kept",
  ),
];

const text: LibraryCase[] = [
  body(
    "marked",
    `import { marked } from "marked";`,
    `return marked.parse("# Hi *there*");`,
    "<h1>Hi <em>there</em></h1>\n",
  ),
  body(
    "markdown-it",
    `import MarkdownIt from "markdown-it";`,
    `return new MarkdownIt().render("a [link](https://h.example)");`,
    '<p>a <a href="https://h.example">link</a></p>\n',
  ),
  body(
    "handlebars, which compiles at run time",
    `import Handlebars from "handlebars/dist/handlebars.js";`,
    `return Handlebars.compile("Hi {{name}}{{#each list}}, {{this}}{{/each}}")({ name: "<A>", list: [1, 2] });`,
    "Hi &lt;A&gt;, 1, 2",
  ),
  body(
    "mustache",
    `import Mustache from "mustache";`,
    `return Mustache.render("{{#a}}<{{b}}>{{/a}}", { a: [{ b: 1 }, { b: 2 }] });`,
    "<1><2>",
  ),
  body(
    "js-yaml",
    `import * as yaml from "js-yaml";`,
    `return [yaml.load("a: [1, two]"), yaml.dump({ a: 1 })];`,
    [{ a: [1, "two"] }, "a: 1\n"],
  ),
  body(
    "yaml",
    `import { parse, stringify } from "yaml";`,
    `return [parse("a:\\n  - 1\\n"), stringify({ a: true })];`,
    [{ a: [1] }, "a: true\n"],
  ),
  body(
    "papaparse",
    `import Papa from "papaparse";`,
    `return Papa.parse("a,b\\n1,\\"x, y\\"", { header: true }).data as any;`,
    [{ a: "1", b: "x, y" }],
  ),
  body(
    "csv-parse, over node:stream",
    `import { parse } from "csv-parse";`,
    `const rows: any[] = []; const parser = parse({ columns: true }); parser.end("a,b\\n1,2\\n"); for await (const row of parser) rows.push(row); return rows;`,
    [{ a: "1", b: "2" }],
  ),
  body(
    "fast-xml-parser",
    `import { XMLParser } from "fast-xml-parser";`,
    `return new XMLParser({ ignoreAttributes: false }).parse('<a x="1"><b>2</b></a>');`,
    { a: { b: 2, "@_x": "1" } },
  ),
  body(
    "htmlparser2",
    `import { Parser } from "htmlparser2";`,
    `const seen: string[] = []; const parser = new Parser({ onopentag: (name) => seen.push(name), ontext: (text) => seen.push(text) }); parser.write("<p>Hi<br>"); parser.end(); return seen;`,
    ["p", "Hi", "br"],
  ),
  body(
    "slugify",
    `import slugify from "slugify";`,
    `return slugify("Crème Brûlée!", { lower: true, strict: true });`,
    "creme-brulee",
  ),
  body(
    "qs",
    `import qs from "qs";`,
    `return [qs.parse("a[b]=1&a[c][]=2"), qs.stringify({ a: { b: [1] } })];`,
    [{ a: { b: "1", c: ["2"] } }, "a%5Bb%5D%5B0%5D=1"],
  ),
  body(
    "cookie",
    `import * as cookie from "cookie";`,
    `return { ...cookie.parseCookie("a=1; b=x%20y") } as any;`,
    { a: "1", b: "x y" },
  ),
  body(
    "path-to-regexp",
    `import { match } from "path-to-regexp";`,
    `return { ...(match("/u/:id")("/u/7") as any).params };`,
    { id: "7" },
  ),
  body(
    "eventsource-parser",
    `import { createParser } from "eventsource-parser";`,
    `const seen: any[] = []; const parser = createParser({ onEvent: (event) => seen.push(event.data) }); parser.feed("data: one\\n\\ndata: two\\n\\n"); return seen;`,
    ["one", "two"],
  ),
];

const bytes: LibraryCase[] = [
  body("nanoid", `import { nanoid } from "nanoid";`, `return [nanoid().length, nanoid() === nanoid()];`, [
    21,
    false,
  ]),
  body("uuid", `import { v5, validate, v7 } from "uuid";`, `return [v5("a", v5.DNS), validate(v7())];`, [
    "4f3f2898-69e3-5a0d-820a-c4e87987dbce",
    true,
  ]),
  body(
    "ulid",
    `import { ulid, decodeTime } from "ulid";`,
    `return [ulid().length, decodeTime(ulid(1_000))];`,
    [26, 1_000],
  ),
  body(
    "jose",
    `import { SignJWT, jwtVerify } from "jose";`,
    `const key = new TextEncoder().encode("key".padEnd(32, "x")); const token = await new SignJWT({ sub: "ada" }).setProtectedHeader({ alg: "HS256" }).sign(key); return (await jwtVerify(token, key)).payload as any;`,
    { sub: "ada" },
  ),
  body(
    "jsonwebtoken, over node:crypto",
    `import jwt from "jsonwebtoken";`,
    `const token = jwt.sign({ sub: "ada" }, "key", { noTimestamp: true }); let refused; try { jwt.verify(token + "x", "key"); } catch (error: any) { refused = error.name; } return [token.startsWith(${JSON.stringify(JWT)}), jwt.verify(token, "key") as any, refused];`,
    [true, { sub: "ada" }, "JsonWebTokenError"],
  ),
  body(
    "bcryptjs",
    `import bcrypt from "bcryptjs";`,
    `const hash = await bcrypt.hash("secret", 4); return [await bcrypt.compare("secret", hash), await bcrypt.compare("other", hash)];`,
    [true, false],
  ),
  body(
    "tweetnacl",
    `import nacl from "tweetnacl";`,
    `const { publicKey, secretKey } = nacl.sign.keyPair(); return nacl.sign.detached.verify(new Uint8Array([1]), nacl.sign.detached(new Uint8Array([1]), secretKey), publicKey);`,
    true,
  ),
  body(
    "crypto-js",
    `import CryptoJS from "crypto-js";`,
    `return [CryptoJS.SHA256("abc").toString().slice(0, 8), CryptoJS.AES.decrypt(CryptoJS.AES.encrypt("text", "key").toString(), "key").toString(CryptoJS.enc.Utf8)];`,
    ["ba7816bf", "text"],
  ),
  body(
    "fflate",
    `import { gzipSync, gunzipSync, strToU8, strFromU8 } from "fflate";`,
    `return strFromU8(gunzipSync(gzipSync(strToU8("packed"))));`,
    "packed",
  ),
  body(
    "iconv-lite, over Buffer",
    `import iconv from "iconv-lite";`,
    `return [iconv.encode("\\u20ac", "win1252").toString("hex"), iconv.decode(Buffer.from([0xe4]), "latin1")];`,
    ["80", "ä"],
  ),
  body(
    "through2 and concat-stream, over node:stream",
    `import through2 from "through2"; import concat from "concat-stream";`,
    `return new Promise((resolve) => { const stream = through2((chunk: any, _e: any, done: any) => done(null, String(chunk).toUpperCase())); stream.pipe(concat((all: any) => resolve(String(all)))); stream.write("ab"); stream.end("c"); });`,
    "ABC",
  ),
  body(
    "tar-stream",
    `import tar from "tar-stream";`,
    `const pack = tar.pack(); pack.entry({ name: "a.txt" }, "hello"); pack.finalize(); const extract = tar.extract(); const names: string[] = []; const done = new Promise((resolve) => { extract.on("entry", (header: any, stream: any, next: any) => { names.push(header.name + " " + header.size); stream.on("end", next); stream.resume(); }); extract.on("finish", resolve); }); pack.pipe(extract); await done; return names;`,
    ["a.txt 5"],
  ),
  body(
    "debug",
    `import debug from "debug";`,
    `debug.enable("app:*"); const log = debug("app:x"); const seen: string[] = []; log.log = (...args: any[]) => seen.push(args.length > 0 ? "said" : ""); log("hello %d", 1); return [debug.enabled("app:y"), seen];`,
    [true, ["said"]],
  ),
];

/** What `fetch` would send is answered by the case itself. */
const FETCH = `const fakeFetch = async (input: any, init?: any) => { const request = new Request(input, init); return Response.json({ method: request.method, path: new URL(request.url).pathname, body: await request.text() }); };`;

const http: LibraryCase[] = [
  body(
    "ky",
    `import ky from "ky"; ${FETCH}`,
    `return ky.post("https://h.example/a", { json: { b: 1 }, fetch: fakeFetch as any }).json();`,
    { method: "POST", path: "/a", body: '{"b":1}' },
  ),
  body(
    "axios",
    `import axios from "axios"; ${FETCH}`,
    `(globalThis as any).fetch = fakeFetch; const { data, status } = await axios.create({ adapter: "fetch", env: { fetch: fakeFetch } } as any).put("https://h.example/a", { b: 1 }); return [status, data.method, data.path, data.body];`,
    [200, "PUT", "/a", '{"b":1}'],
  ),
  body(
    "kysely, its queries",
    `import { Kysely, DummyDriver, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from "kysely";`,
    `const db = new Kysely<any>({ dialect: { createAdapter: () => new PostgresAdapter(), createDriver: () => new DummyDriver(), createIntrospector: (one) => new PostgresIntrospector(one), createQueryCompiler: () => new PostgresQueryCompiler() } }); return db.selectFrom("a").select("b").where("c", "=", 1).compile().sql;`,
    'select "b" from "a" where "c" = $1',
  ),
];

export const APP_URL = "https://h.example/users/7?x=1";
/** What apps find as `WORD` in their environment. */
export const APP_WORD = "hi";

/** Apps: answers are told as [status, body] of a GET of `APP_URL`. */
export const APPS: LibraryCase[] = [
  {
    name: "Hono, with env(c), getRuntimeKey() and context storage",
    source: `import { Hono } from "hono"; import { env, getRuntimeKey } from "hono/adapter"; import { contextStorage, getContext } from "hono/context-storage"; import { logger } from "hono/logger";
      const app = new Hono(); app.use(contextStorage()); app.use(logger(() => {}));
      const deep = async () => { await null; return getContext().req.param("id"); };
      app.get("/users/:id", async (c) => c.json([c.req.param("id"), c.req.query("x"), await deep(), (env(c) as any).WORD, getRuntimeKey()]));
      export default app;`,
    answer: [200, '["7","1","7","hi","node"]'],
  },
  {
    name: "itty-router",
    source: `import { AutoRouter } from "itty-router"; const router = AutoRouter(); router.get("/users/:id", ({ params, query }: any) => ({ id: params.id, x: query.x })); export default { ...router };`,
    answer: [200, '{"id":"7","x":"1"}'],
  },
  {
    name: "h3",
    source: `import { createApp, createRouter, defineEventHandler, getQuery, getRouterParam, toWebHandler } from "h3"; const router = createRouter().get("/users/:id", defineEventHandler((event) => ({ id: getRouterParam(event, "id"), ...getQuery(event) }))); export default { fetch: toWebHandler(createApp().use(router)) };`,
    answer: [200, '{"id":"7","x":"1"}'],
  },
  {
    name: "Elysia",
    source: `import { Elysia } from "elysia"; export default new Elysia({ aot: false }).get("/users/:id", ({ params, query }: any) => ({ id: params.id, x: query.x }));`,
    answer: [200, '{"id":"7","x":"1"}'],
  },
  {
    name: "Hono on Deno.serve",
    source: `import { Hono } from "hono"; declare const Deno: any; const app = new Hono().get("/users/:id", (c) => c.text(c.req.param("id") + Deno.env.get("WORD"))); Deno.serve(app.fetch);`,
    answer: [200, "7hi"],
  },
  {
    name: "a service worker with itty-router",
    source: `import { Router } from "itty-router"; const router = Router(); router.get("/users/:id", ({ params }: any) => new Response(params.id)); addEventListener("fetch", (event: any) => event.respondWith(router.fetch(event.request)));`,
    answer: [200, "7"],
  },
];

export const LIBRARIES: LibraryCase[] = [...data, ...time, ...asynchrony, ...text, ...bytes, ...http];
