/** Two that the model catches at once, in a copy as `npm run planted` makes it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { copyProject, type ProjectCopy } from "./copy-project.ts";
import { MUTATIONS } from "./mutations/index.ts";
import { plant } from "./plant.ts";

const ROOT = join(import.meta.dirname, "..", "..");
let copy: ProjectCopy;
before(async () => {
  copy = await copyProject();
});
after(() => copy.remove());

for (const name of ["skip-lets-go", "admission-gives-one-more"] as const)
  it(`${name} is caught, and taken back`, async () => {
    const mutation = MUTATIONS[name];
    const read = (root: string) =>
      Promise.all(mutation.edits.map(({ file }) => readFile(join(root, file), "utf8")));
    const before = await read(ROOT);
    const found = await plant(copy, mutation);
    assert.deepEqual({ ...found, isCaught: true }, found);
    assert.deepEqual(await read(copy.folder), before);
    assert.deepEqual(await read(ROOT), before);
  });
