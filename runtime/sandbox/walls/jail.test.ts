import assert from "node:assert/strict";
import fs, { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { assumeLibraries, findLibraries, makeJail, mountTable, parseLdd } from "./jail.ts";

test("libraries are read from what ldd says", () => {
  const text = [
    "/usr/bin/setpriv:",
    "\tlinux-vdso.so.1 (0x00007ffd4c5f2000)",
    "\tlibcap-ng.so.0 => /lib/x86_64-linux-gnu/libcap-ng.so.0 (0x00007f5f69016000)",
    "\tlibgone.so => not found",
    "\t/lib64/ld-linux-x86-64.so.2 (0x00007f5f69045000)",
    "/opt/node:",
    "\t/lib64/ld-linux-x86-64.so.2 (0x00007f5f69045000)",
    "",
  ].join("\n");
  assert.deepEqual(parseLdd(text), ["/lib/x86_64-linux-gnu/libcap-ng.so.0", "/lib64/ld-linux-x86-64.so.2"]);
  assert.deepEqual(parseLdd("\tnot a dynamic executable\n"), []);
});

test("every mount is read-only, and a path with spaces is one word", () => {
  const lines = mountTable("/tmp/a b", { "/node": "/opt/my node" }).trimEnd().split("\n");
  assert.deepEqual(lines, [
    "/tmp/a\\040b /tmp/a\\040b none bind,ro,nosuid,nodev,noexec",
    "/opt/my\\040node /tmp/a\\040b/node none bind,ro,nosuid,nodev",
    "proc /tmp/a\\040b/proc proc ro,nosuid,nodev,noexec,subset=pid",
  ]);
});

test("everyone may read what is in it and only its owner write, whatever the worker's mask; and it goes", (t) => {
  const mask = process.umask(0o077);
  t.after(() => process.umask(mask));
  const self = fileURLToPath(import.meta.url);
  const jail = makeJail({ files: { copy: self }, texts: { text: "hello" } });
  const fstab = jail.layOut({ "/lib/deep/libc.so": "/lib/libc.so", "/node": self });
  const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);
  assert.equal(modeOf(dirname(jail.root)), "711");
  for (const folder of ["", "lib", "lib/deep", "proc"])
    assert.equal(modeOf(jail.pathOf(folder)), "755", folder);
  for (const file of ["copy", "text", "lib/deep/libc.so", "node"])
    assert.equal(modeOf(jail.pathOf(file)), "644");
  assert.equal(readFileSync(jail.pathOf("copy"), "utf8"), readFileSync(self, "utf8"));
  assert.match(readFileSync(fstab, "utf8"), /\/lib\/libc\.so .*\/root\/lib\/deep\/libc\.so none/);
  jail.remove();
  assert.equal(existsSync(dirname(jail.root)), false);
});

test("where a file has one name only each mount point is a file of its own", (t) => {
  const link = t.mock.method(fs, "linkSync", () => {
    throw Object.assign(new Error("operation not permitted"), { code: "EPERM" });
  });
  syncBuiltinESMExports();
  t.after(() => {
    link.mock.restore();
    syncBuiltinESMExports();
  });
  const jail = makeJail({ files: {}, texts: {} });
  t.after(() => jail.remove());
  jail.layOut({ "/lib/libc.so": "/lib/libc.so", "/node": "/node" });
  assert.equal(link.mock.callCount(), 2);
  for (const file of ["lib/libc.so", "node"]) {
    const { mode, size, nlink } = statSync(jail.pathOf(file));
    assert.deepEqual([mode & 0o777, size, nlink], [0o644, 0, 1]);
  }
});

test("libraries that were found before count until a program changes", (t) => {
  t.after(() => assumeLibraries(undefined));
  const folder = mkdtempSync(join(tmpdir(), "bellhop-libraries-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [ldd, program] = ["ldd", "program"].map((name) => join(folder, name)) as [string, string];
  writeFileSync(ldd, '#!/bin/sh\necho "libc.so => /lib/libc.so (0x7f01)"\n', { mode: 0o755 });
  writeFileSync(program, "1");
  const found = findLibraries(ldd, [program]);
  assert.deepEqual(found.paths, ["/lib/libc.so"]);
  rmSync(ldd);
  assumeLibraries(found);
  assert.equal(findLibraries(ldd, [program]), found);
  writeFileSync(program, "22");
  assert.deepEqual(findLibraries(ldd, [program]).paths, [], "ldd is asked again");
});
