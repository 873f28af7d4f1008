/** The scripts of node: modules, read when the first guest of this process asks for one. */
import { readFileSync } from "node:fs";

export class NodeModules {
  readonly #path: string;
  #scripts: Record<string, string> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** By a name without `node:`; "" where there is none of that name. */
  scriptOf(name: string): string {
    this.#scripts ??= JSON.parse(readFileSync(this.#path, "utf8")) as Record<string, string>;
    return Object.hasOwn(this.#scripts, name) ? this.#scripts[name]! : "";
  }
}
