/** The errands of docs/api.md, done with the client against a running API. Prints each, and at the end what was asked. */
import { functions } from "./errands/functions.ts";
import { installation } from "./errands/installation.ts";
import { runs } from "./errands/runs.ts";
import { bellhop, done } from "./errands/shared.ts";
import { tasks } from "./errands/tasks.ts";

/** Never run: what the compiler has to refuse. */
export function mistakes(): void {
  // @ts-expect-error there is no such path
  void bellhop.GET("/v1/tsaks");
  // @ts-expect-error there is no such type of task
  void bellhop.POST("/v1/tasks", { body: { type: "fax", url: "https://example.com" } });
  // @ts-expect-error a path needs what stands in it
  void bellhop.GET("/v1/tasks/{id}");
}

for (const [name, run] of Object.entries({ ...tasks, ...runs, ...functions, ...installation })) {
  await run();
  console.log(`errand: ${name}`);
}
for (const operation of done) console.log(`done: ${operation}`);
