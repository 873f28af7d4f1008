/** Lock files that lead elsewhere, or leave open what is installed. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BellhopError } from "../../../core/errors.ts";
import { MAX_PACKAGES, readLockedPackages } from "./locked-packages.ts";
import { lockOf } from "./testing/local-registry.ts";

const REGISTRY = "https://npm.example/mirror";
const SHA512 = `sha512-${Buffer.alloc(64).toString("base64")}`;
const good = { version: "1.0.0", resolved: `${REGISTRY}/a/-/a-1.0.0.tgz`, integrity: SHA512 };

const read = (files: Record<string, string>, registry: string | undefined = REGISTRY) =>
  readLockedPackages(new Map(Object.entries(files)), registry, (path) => `files.${path}`);
const readEntry = (entry: Record<string, unknown>, path = "node_modules/a") =>
  read(lockOf({ a: "^1.0.0" }, { [path]: { ...good, ...entry } }));

function refusal(attempt: () => unknown): BellhopError {
  try {
    attempt();
  } catch (error) {
    assert.ok(error instanceof BellhopError, String(error));
    assert.deepEqual([error.code, error.status], ["build_failed", 422]);
    return error;
  }
  return assert.fail("it was taken");
}

describe("a lock file is read", () => {
  test("as addresses at the registry with hashes", () => {
    assert.deepEqual(readEntry({}), [{ path: "node_modules/a", url: good.resolved, integrity: SHA512 }]);
    const inner = "node_modules/@s/a.b/node_modules/c";
    assert.equal(readEntry({}, inner)[0]?.path, inner);
  });

  test("where it names npm's own registry, or none, for that of the operator", () => {
    const usual = readEntry({ resolved: "https://registry.npmjs.org/a/-/a-1.0.0.tgz" });
    assert.equal(usual[0]?.url, good.resolved);
    assert.equal(readEntry({ resolved: undefined })[0]?.url, good.resolved);
    const renamed = readEntry({ resolved: undefined, name: "@s/other", version: "2.0.0-rc.1+x" });
    assert.equal(renamed[0]?.url, `${REGISTRY}/@s/other/-/other-2.0.0-rc.1+x.tgz`);
  });

  test("without what is for development, for one kind of machine, or within another package", () => {
    const leftOut = [
      { dev: true },
      { optional: true, os: ["linux"] },
      { devOptional: true, cpu: ["x64"] },
      { inBundle: true, resolved: undefined, integrity: undefined },
    ];
    for (const entry of leftOut) assert.deepEqual(readEntry(entry), []);
    assert.equal(readEntry({ optional: true }).length, 1);
    assert.equal(readEntry({ os: ["linux"] }).length, 1);
  });

  test("not at all where there is no package.json with it", () => {
    const { "package-lock.json": lock } = lockOf({ a: "1" }, { "node_modules/a": good });
    assert.deepEqual(read({ "package-lock.json": lock }), []);
    assert.deepEqual(read({ "package.json": "{}" }), []);
  });
});

describe("a lock file is refused", () => {
  const elsewhere = /node_modules\/a does not come from the registry/;
  const withoutHash = /node_modules\/a has no hash/;
  const entries: [string, Record<string, unknown>, RegExp][] = [
    ["another host", { resolved: "https://evil.example/a.tgz" }, elsewhere],
    ["an address inside", { resolved: "http://169.254.169.254/latest/meta-data" }, elsewhere],
    ["loopback", { resolved: "http://127.0.0.1:5432/" }, elsewhere],
    ["the registry's host, above its path", { resolved: `${REGISTRY}/../admin/a.tgz` }, elsewhere],
    ["the same, encoded", { resolved: `${REGISTRY}/%2e%2e/admin/a.tgz` }, elsewhere],
    ["the same, with its slash encoded", { resolved: `${REGISTRY}/..%2fadmin/a.tgz` }, elsewhere],
    ["the same, with a backslash encoded", { resolved: `${REGISTRY}/..%5cadmin/a.tgz` }, elsewhere],
    ["a path that is no text", { resolved: `${REGISTRY}/%ff/a.tgz` }, elsewhere],
    ["a path that only begins so", { resolved: `${REGISTRY}-private/a.tgz` }, elsewhere],
    ["a host that only begins so", { resolved: "https://npm.example.evil.example/mirror/a.tgz" }, elsewhere],
    ["another port", { resolved: "https://npm.example:8443/mirror/a.tgz" }, elsewhere],
    ["another scheme", { resolved: "http://npm.example/mirror/a.tgz" }, elsewhere],
    ["credentials", { resolved: "https://me:secret@npm.example/mirror/a.tgz" }, elsewhere],
    ["a host as a user's name", { resolved: "https://npm.example@evil.example/mirror/a.tgz" }, elsewhere],
    ["a query", { resolved: `${REGISTRY}/a.tgz?to=https://evil.example` }, elsewhere],
    ["a fragment", { resolved: `${REGISTRY}/a.tgz#x` }, elsewhere],
    ["a file", { resolved: "file:../../../etc/passwd" }, elsewhere],
    ["a file's address", { resolved: "file:///etc/passwd" }, elsewhere],
    ["a repository", { resolved: "git+ssh://git@github.com/a/a.git#0123" }, elsewhere],
    ["a path", { resolved: "/etc/passwd" }, elsewhere],
    ["no text", { resolved: "" }, elsewhere],
    ["a version that is a path", { resolved: undefined, version: "../../x" }, elsewhere],
    ["a name that is a path", { resolved: undefined, name: "../x" }, elsewhere],
    ["a link", { link: true, resolved: "packages/a" }, /is a link/],
    ["no hash", { integrity: undefined }, withoutHash],
    ["an empty hash", { integrity: "" }, withoutHash],
    ["a weak hash", { integrity: "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=" }, withoutHash],
    ["a hash of another kind", { integrity: "md5-1B2M2Y8AsgTpgAmY7PhCfg==" }, withoutHash],
    ["values of other types", { resolved: 7 }, /is no place for a package/],
  ];
  for (const [name, entry, message] of entries) {
    test(`for ${name}`, () => {
      const { fields } = refusal(() => readEntry(entry));
      assert.deepEqual([fields[0]?.field, fields[0]?.file], ["files.package-lock.json", "package-lock.json"]);
      assert.match(fields[0]!.message, message);
      assert.doesNotMatch(fields[0]!.message, /secret/);
    });
  }

  const places = ["../a", "packages/a", "node_modules/../a", "node_modules/.bin", "node_modules/a/b/c"];
  for (const path of [...places, "node_modules/@s", "/node_modules/a", `node_modules/${"a".repeat(600)}`]) {
    test(`for a package at ${path.slice(0, 30)}`, () => {
      assert.match(refusal(() => readEntry({}, path)).message, /is no place for a package/);
    });
  }

  test("that is no lock file, is old, or is another package's", () => {
    const { "package.json": manifest, "package-lock.json": lock } = lockOf({ a: "1" }, {});
    for (const text of ["", "[]", "null", '{"lockfileVersion":1,"dependencies":{}}', '{"lockfileVersion":3}'])
      assert.match(
        refusal(() => read({ "package.json": manifest, "package-lock.json": text })).message,
        /is not a lock file of npm 7 or later/,
      );
    assert.match(
      refusal(() => read({ "package.json": '{"dependencies":{"a":"2"}}', "package-lock.json": lock }))
        .message,
      /does not fit the dependencies/,
    );
    assert.match(
      refusal(() => read({ "package.json": "{", "package-lock.json": lock })).message,
      /package\.json: is not the JSON of a package/,
    );
  });

  test("of too many packages", () => {
    const names = Array.from({ length: MAX_PACKAGES + 1 }, (_, i) => [`node_modules/a${i}`, good]);
    assert.match(
      refusal(() => read(lockOf({}, Object.fromEntries(names)))).message,
      /501 packages; the most is 500/,
    );
  });

  test("longer than any that npm writes, with a registry or without", () => {
    const empty = Array.from({ length: 5_001 }, (_, i) => [`node_modules/a${i}`, { dev: true }]);
    const many = lockOf({}, Object.fromEntries(empty));
    const long = { ...lockOf({}, {}), "package-lock.json": " ".repeat(3_000_001) };
    for (const files of [many, long])
      for (const registry of [REGISTRY, undefined])
        assert.match(
          refusal(() => readLockedPackages(new Map(Object.entries(files)), registry, (path) => path)).message,
          /is too long: 3,000,000 characters and 5,000 packages/,
        );
  });

  test("beside files where a package is to be", () => {
    const files = { ...lockOf({ a: "1" }, { "node_modules/a": good }), "lib/node_modules/a/x.js": "" };
    assert.match(refusal(() => read(files)).message, /the upload has lib\/node_modules\/a\/x\.js itself/);
  });

  test("with every fault, up to twenty", () => {
    const bad = Array.from({ length: 30 }, (_, i) => [`node_modules/a${i}`, { ...good, integrity: "" }]);
    const error = refusal(() => read(lockOf({}, Object.fromEntries(bad))));
    assert.equal(error.fields.length, 20);
    assert.match(error.message, /\(and 29 more\)$/);
  });

  test("with what to do, where no registry is named; one with nothing to install is taken", () => {
    const files = lockOf({ a: "1" }, { "node_modules/a": good });
    const readWithout = (given: Record<string, string>) =>
      readLockedPackages(new Map(Object.entries(given)), undefined, (path) => path);
    assert.match(
      refusal(() => readWithout(files)).message,
      /BELLHOP_NPM_REGISTRY.*bundle what the function needs/,
    );
    assert.deepEqual(readWithout(lockOf({}, { "node_modules/a": { ...good, dev: true } })), []);
  });
});
