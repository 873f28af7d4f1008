import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "./failure.ts";
import { chooseTarget, isReadableOnTheWay, normalizeUrl } from "./target.ts";

const HOME = { url: "https://home.example", key: "bh_home", namespace: "billing" };
const LAB = { url: "http://127.0.0.1:8080", key: "bh_lab" };
const profiles = { current: "home", profiles: { home: HOME, lab: LAB } };
const ENV = { BELLHOP_URL: "https://env.example/", BELLHOP_API_KEY: "bh_new,bh_old" };

test("a profile that is named counts more than the environment, and that more than the current profile", () => {
  assert.deepEqual(chooseTarget({ profile: "lab" }, ENV, profiles), {
    ...{ url: LAB.url, key: LAB.key, namespace: undefined, profile: "lab" },
  });
  assert.deepEqual(chooseTarget({}, ENV, profiles), {
    ...{ url: "https://env.example", key: "bh_new", namespace: undefined, profile: undefined },
  });
  assert.deepEqual(chooseTarget({}, {}, profiles), { ...HOME, profile: "home" });
  assert.equal(chooseTarget({ namespace: "other" }, {}, profiles).namespace, "other");
  assert.equal(chooseTarget({}, { BELLHOP_PROFILE: "lab" }, profiles).key, LAB.key);
});

test("a profile that is not there is named, and what names it", () => {
  assert.throws(() => chooseTarget({ profile: "nowhere" }, {}, profiles), {
    ...{ message: 'There is no profile "nowhere", which --profile names.', exitCode: 3, code: "no_profile" },
  });
  assert.throws(() => chooseTarget({}, { BELLHOP_PROFILE: "nowhere" }, profiles), {
    ...{ message: 'There is no profile "nowhere", which BELLHOP_PROFILE names.', exitCode: 3 },
  });
  assert.throws(() => chooseTarget({}, {}, { current: "default", profiles: {} }), /not signed in/);
  assert.equal(chooseTarget({}, { ...ENV, BELLHOP_PROFILE: "nowhere" }, profiles).key, "bh_new");
  assert.equal(chooseTarget({}, { BELLHOP_PROFILE: "" }, profiles).key, HOME.key);
});

test("a profile's key goes to its own address alone", () => {
  assert.throws(() => chooseTarget({ url: "https://evil.example" }, {}, profiles), /its key is not sent to/);
  assert.throws(() => chooseTarget({ url: "https://home.example.evil.example" }, {}, profiles), Failure);
  assert.equal(chooseTarget({ url: "home.example" }, {}, profiles).key, HOME.key);
});

test("the environment's key goes to the environment's address, or to one that was asked for where there is none", () => {
  const { BELLHOP_API_KEY } = ENV;
  assert.throws(
    () => chooseTarget({ url: "https://evil.example" }, ENV, profiles),
    /is not sent to https:\/\/evil/,
  );
  assert.equal(chooseTarget({ url: "env.example" }, ENV, profiles).key, "bh_new");
  assert.throws(() => chooseTarget({}, { BELLHOP_API_KEY }, profiles), /no address/);
  const asked = chooseTarget({ url: "https://asked.example" }, { BELLHOP_API_KEY }, profiles);
  assert.deepEqual([asked.url, asked.key], ["https://asked.example", "bh_new"]);
});

test("BELLHOP_URL without a key is an address that the profile has to be for", () => {
  const elsewhere = { BELLHOP_URL: "https://env.example" };
  assert.throws(() => chooseTarget({}, elsewhere, profiles), /its key is not sent to https:\/\/env.example/);
  assert.equal(chooseTarget({}, { BELLHOP_URL: "https://home.example/" }, profiles).key, HOME.key);
  assert.equal(chooseTarget({ profile: "lab" }, elsewhere, profiles).url, LAB.url);
});

test("an address gets its scheme, and what is none is refused", () => {
  assert.equal(normalizeUrl("bellhop.example.com/"), "https://bellhop.example.com");
  assert.equal(normalizeUrl("127.0.0.1:8080"), "http://127.0.0.1:8080");
  assert.equal(normalizeUrl("localhost:8080"), "http://localhost:8080");
  assert.equal(normalizeUrl("https://example.com/base//"), "https://example.com/base");
  for (const wrong of [
    "ftp://example.com",
    "https://user:pass@example.com",
    "https://example.com/?q=1",
    "http://",
  ])
    assert.throws(() => normalizeUrl(wrong), /no address of an API/, wrong);
});

test("plain HTTP to another machine can be read on the way", () => {
  assert.ok(isReadableOnTheWay("http://bellhop.example.com"));
  for (const url of ["https://bellhop.example.com", "http://localhost:8080", "http://127.0.0.1"])
    assert.ok(!isReadableOnTheWay(url), url);
});
