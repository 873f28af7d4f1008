/** Tarballs that reach out of their package, or grow. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { packTar, type TarEntry, type TarHeader } from "modern-tar";
import { unpackPackage } from "./unpack-package.ts";

const room = () => ({ unpackedBytes: 1_000_000, files: 100 });
const file = (name: string, body = "1", header: Partial<TarHeader> = {}): TarEntry => ({
  header: { name, size: Buffer.byteLength(body), ...header },
  body,
});
const pack = async (...entries: TarEntry[]) => gzipSync(await packTar(entries));
const link = (name: string, linkname: string, type: "link" | "symlink") =>
  file(name, "", { type, linkname, size: 0 });

test("sources come out below the package's one folder, whatever it is called, by names of any length", async () => {
  const long = `package/${"folder/".repeat(40)}end.js`;
  const tarball = await pack(
    file("whatever/package.json", "{}"),
    file(long, "long"),
    file("package/a.d.ts"),
    file("package/README.md"),
  );
  const found = await unpackPackage(tarball, room());
  assert.deepEqual([...found.keys()], ["package.json", `${"folder/".repeat(40)}end.js`]);
  assert.equal(Buffer.from(found.get(`${"folder/".repeat(40)}end.js`)!).toString(), "long");
});

test("links and devices are passed over", async () => {
  const tarball = await pack(
    link("package/passwd.js", "/etc/passwd", "symlink"),
    link("package/up.js", "../../../../etc/passwd", "link"),
    link("package/lib", "/etc", "symlink"),
    file("package/dev.js", "", { type: "character-device", size: 0 }),
    file("package/real.js"),
  );
  assert.deepEqual([...(await unpackPackage(tarball, room())).keys()], ["real.js"]);
});

test("a file outside of the package is refused", async () => {
  for (const name of [
    "package/../../other/index.js",
    "/package/index.js",
    "index.js",
    "package/a\\b.js",
    "package/a/../../b.js",
  ])
    await assert.rejects(unpackPackage(await pack(file(name)), room()), /holds a file outside of it/, name);
});

test("what is no gzipped tarball is refused, and one that is cut off gives no more than there is", async () => {
  await assert.rejects(unpackPackage(Buffer.from("<html>"), room()), /is no gzipped tarball/);
  const whole = await packTar([file("package/a.js", "x".repeat(2_000), { size: 2_000 })]);
  const cut = await unpackPackage(gzipSync(whole.subarray(0, 1_024)), room());
  assert.ok((cut.get("a.js")?.byteLength ?? 0) <= 512);
});

test("a header that claims more than there is takes no more memory than there is", async () => {
  const archive = Buffer.from(await packTar([file("package/a.js")]));
  archive.write("77777777777\0", 124, "latin1");
  const found = await unpackPackage(gzipSync(archive), room());
  assert.ok((found.get("a.js")?.byteLength ?? 0) < archive.byteLength);
});

test("one that grows, or has too many files, is refused; what one takes the next one has not", async () => {
  const bomb = gzipSync(Buffer.alloc(2_000_000));
  assert.ok(bomb.byteLength < 10_000);
  await assert.rejects(unpackPackage(bomb, room()), /unpacks to more than there is room for/);
  const many = await pack(...Array.from({ length: 60 }, (_, i) => file(`package/${i}.js`)));
  const left = room();
  await unpackPackage(many, left);
  await assert.rejects(unpackPackage(many, left), /more files than there is room for/);
  const half = await pack(file("package/a.txt", "x".repeat(600_000), { size: 600_000 }));
  const shared = room();
  await unpackPackage(half, shared);
  await assert.rejects(unpackPackage(half, shared), /unpacks to more/);
});
