import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { addonPath } from "./executor-command.ts";
import { fitsNodeSnapshot, NODE_SNAPSHOT_FLAGS } from "./node-snapshot.ts";

/** Where a snapshot of V8 says where its read-only heap begins, and what follows it. */
const READ_ONLY_AT = 0x50;
const [LOW_48_BITS, HIGH_16_BITS] = [(1n << 48n) - 1n, 48n];
/** 100 kB of objects are certainly it. */
const LEAST_BYTES = 100_000;

const MAKE = `
  const module = { exports: {} };
  process.dlopen(module, process.argv[1]);
  const snapshot = module.exports.ivm.Isolate.createSnapshot([{ code: "1" }]);
  process.stdout.write(Buffer.from(snapshot.copy()));`;

/** That of a process with these flags, as it is written into a snapshot. Strings have the same hashes in each. */
function readOnlyHeapOf(...flags: string[]): Buffer {
  const args = ["--hash-seed=42", ...flags, "--eval", MAKE, addonPath()];
  const snapshot = execFileSync(process.execPath, args, { maxBuffer: 64_000_000 });
  const [begin, end] = [snapshot.readUInt32LE(READ_ONLY_AT), snapshot.readUInt32LE(READ_ONLY_AT + 4)];
  return snapshot.subarray(begin, end);
}

/** By how much pointers of one differ from those of the other; anything else that differs fails. */
function shiftsBetween(one: Buffer, other: Buffer): Set<bigint> {
  assert.equal(one.length, other.length);
  assert.ok(one.length >= LEAST_BYTES, `${one.length} bytes`);
  assert.equal(one.readUInt32LE(0), other.readUInt32LE(0));
  const shifts = new Set<bigint>();
  for (let at = 4; at + 8 <= one.length; at += 8) {
    const [a, b] = [one.readBigUInt64LE(at), other.readBigUInt64LE(at)];
    if (a === b) continue;
    assert.equal(a >> HIGH_16_BITS, b >> HIGH_16_BITS, `at ${at}`);
    shifts.add((b & LOW_48_BITS) - (a & LOW_48_BITS));
  }
  return shifts;
}

test("node's own snapshot has the read-only heap of V8's, but for where it lies", () => {
  assert.deepEqual(NODE_SNAPSHOT_FLAGS, [], "name this build, if all of this holds for it");
  const [ofV8, ofNode] = [readOnlyHeapOf("--no-node-snapshot"), readOnlyHeapOf()];
  // A page lies where it lies: everything that differs is an address, by the same distance.
  assert.ok(shiftsBetween(ofV8, ofNode).size <= 1);
});

test("another build than the one that was looked at starts without", () => {
  const [v8, build] = ["13.6.233.17-node.53", "linux-x64"];
  assert.equal(fitsNodeSnapshot(v8, build), true);
  for (const other of ["13.6.233.17-node.54", "12.4.254.21-node.26"])
    assert.equal(fitsNodeSnapshot(other, build), false);
  for (const other of ["linux-arm64", "darwin-arm64"]) assert.equal(fitsNodeSnapshot(v8, other), false);
});
