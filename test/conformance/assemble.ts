import { readFileSync } from "node:fs";
import { type Checkout, type DataFile, isIdlTest, type Script, type TestFile } from "./checkout.ts";
import { hiddenNames } from "./exported-names.ts";

export interface TestRun {
  /** Path and variant, such as `url/a.any.js?1-10`. */
  id: string;
  /** A script in CommonJS form whose default export runs the file and resolves with a RealmResult. */
  code: string;
  /** When the realm gives up waiting for the file's tests. */
  timeoutMs: number;
}

/** What the realm answers; see realm.js. */
export interface RealmResult {
  harness: string;
  message: string;
  passes: number;
  failures: [name: string, status: string, message: string][];
  left: number;
}

const REALM = readFileSync(new URL("realm.js", import.meta.url), "utf8");
const TIMEOUT_MS = { normal: 20_000, long: 60_000 };
/** Failures beyond it are counted, not named: a result of the sandbox holds 1,000,000 bytes. */
const MAX_RESULT_CHARS = 400_000;

/** One run for each variant of the file, each with all it needs in one script. */
export function assembleRuns(checkout: Checkout, file: TestFile): TestRun[] {
  const scripts = checkout.scriptsOf(file);
  const data = Object.fromEntries(
    checkout.dataOf(file, scripts).map((item) => [item.path, toPlanData(item)]),
  );
  const timeoutMs = file.meta.isLong ? TIMEOUT_MS.long : TIMEOUT_MS.normal;
  return file.meta.variants.map((variant) => {
    const plan = {
      scripts: [...scripts.map(exposed), { path: file.path, source: file.source }],
      data,
      url: `/${file.path}${variant}`,
      isIdlTest: isIdlTest(file),
      timeoutMs,
      maxChars: MAX_RESULT_CHARS,
    };
    const code = `${REALM}\nmodule.exports.default = module.exports.default.bind(undefined, ${JSON.stringify(plan)});`;
    return { id: `${file.path}${variant}`, code, timeoutMs };
  });
}

const exposedSources = new Map<string, string>();

/** The script with what it declares for later ones put on the global object, where evaluated text leaves it. */
function exposed({ path, source }: Script): Script {
  let text = exposedSources.get(path);
  if (text === undefined) {
    const names = hiddenNames(source);
    const properties = names.map((name) => `${name}: { value: ${name}, writable: true, configurable: true }`);
    text = `${source}\n;Object.defineProperties(globalThis, { ${properties.join(", ")} });`;
    if (names.length === 0) text = source;
    exposedSources.set(path, text);
  }
  return { path, source: text };
}

function toPlanData({ path, bytes }: DataFile): { text: string } | { base64: string } {
  if (/\.(json|idl)$/.test(path)) return { text: bytes.toString("utf8") };
  return { base64: bytes.toString("base64") };
}
