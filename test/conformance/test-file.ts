/** What a test file says of itself in its `// META:` lines. */
export interface TestMeta {
  /** Kinds of global scope it is for; undefined: the default, window and dedicated worker. */
  globals: string[] | undefined;
  /** Scripts it needs, in order, as written: relative to the file, or to the checkout with a leading slash. */
  scripts: string[];
  /** Query strings it is run with, one run each; [""] where it names none. */
  variants: string[];
  isLong: boolean;
}

const META_LINE = /^\/\/\s*META:\s*([\w-]+)=(.*)$/;

/** Reads the leading comment lines; META lines after the first line of code are none. */
export function parseMeta(source: string): TestMeta {
  const meta: TestMeta = { globals: undefined, scripts: [], variants: [], isLong: false };
  for (const line of source.split(/\r?\n/)) {
    if (line.trim() === "") continue;
    if (!line.startsWith("//")) break;
    const [, key, rest = ""] = META_LINE.exec(line) ?? [];
    const value = rest.trim();
    if (key === "global") meta.globals = value.split(",").map((name) => name.trim());
    else if (key === "script") meta.scripts.push(value);
    else if (key === "variant") meta.variants.push(value);
    else if (key === "timeout") meta.isLong = value === "long";
  }
  if (meta.variants.length === 0) meta.variants.push("");
  return meta;
}

const OUR_GLOBALS = new Set(["window", "worker", "dedicatedworker", "shadowrealm", "jsshell", "default"]);

/** Whether the file is for a global scope like ours; one for service or shared workers alone is not. */
export function isForOurGlobal({ globals }: TestMeta): boolean {
  if (globals === undefined) return true;
  return globals.some((name) => OUR_GLOBALS.has(name));
}
