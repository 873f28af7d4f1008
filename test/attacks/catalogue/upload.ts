/** Before anything runs: what an upload may do to those who build it. */
import { type Attack, attacksOf, type Expectation } from "../attack.ts";

/** What a compiler may take before it is stopped (functions/build/compiler-process.ts), what it takes until somebody looks, and those who wait for it. */
const COMPILER_MB = 700;
const REFUSED: Expectation = {
  refusals: ["build_failed", "invalid_input", "body_too_large", "payload_too_large"],
};
/** It is built, and throws where it looks for what there is not. */
const FAILS: Expectation = { ...REFUSED, codes: ["function_error"] };
const EITHER: Expectation = {
  ...REFUSED,
  growthMb: COMPILER_MB,
  answer: () => undefined,
  codes: ["function_error", "function_timeout", "function_memory_exceeded"],
};

const failing: [string, string][] = [
  [
    "an import of a builtin",
    `import fs from "node:fs"; export default () => fs.readFileSync("/etc/passwd", "utf8");`,
  ],
  ["require of a file", `export default () => require("/etc/passwd");`],
  [
    "a computed import that climbs out",
    `const end = ["w", "d"].join(""); export default () => import("${"../".repeat(3_000)}etc/pass" + end);`,
  ],
];
const refused: [string, string][] = [
  ["an import of a file by its absolute path", `import text from "/etc/passwd"; export default () => text;`],
  [
    "an import that climbs out",
    `import text from "../../../../../../etc/passwd"; export default () => text;`,
  ],
  [
    "an import by file:, data: and http: addresses",
    `import a from "file:///etc/passwd"; import b from "https://example.com/x.js"; export default () => [a, b];`,
  ],
  [
    "an import of what the product itself uses",
    `import pg from "pg"; import { Hono } from "hono"; export default () => [pg, Hono];`,
  ],
  [
    "an import with loaders and queries",
    `import text from "./probe.ts?raw"; import more from "text!/etc/passwd"; export default () => [text, more];`,
  ],
  [
    "a script that closes the function it is wrapped in",
    `}); globalThis.escaped = 1; (function () {\nexport default () => 1;`,
  ],
];
const either: [string, string][] = [
  [
    "a source map comment that names a file",
    `export default () => 1;\n//# sourceMappingURL=file:///etc/passwd`,
  ],
  [
    "sourceURL and hashbang comments that name host files",
    `#!/usr/bin/env node --inspect\n//# sourceURL=node:internal/process\n/*! @license */\nexport default () => (0, eval)("1 //# sourceURL=node:fs");`,
  ],
  [
    "JSX pragmas that name other factories",
    `/** @jsxRuntime automatic @jsxImportSource /etc/passwd */\nexport default () => 1;`,
  ],
  [
    "a hundred thousand nested brackets",
    `export default () => ${"[".repeat(100_000)}${"]".repeat(100_000)};`,
  ],
  [
    "a hundred thousand nested functions",
    `export default () => ${"(() => ".repeat(100_000)}1${")".repeat(100_000)};`,
  ],
  ["two hundred thousand nested unary operators", `export default () => ${"!".repeat(200_000)}1;`],
  ["a chain of half a million terms", `export default () => ${"1+".repeat(400_000)}1;`],
  [
    "nested templates and regular expressions",
    `export default () => ${"`${".repeat(20_000)}1${"}`".repeat(20_000)};`,
  ],
  [
    "nested types and generics",
    `type T = ${"Array<".repeat(50_000)}1${">".repeat(50_000)};\nexport default (x: T) => 1;`,
  ],
  [
    "enums and constants that multiply when they are inlined",
    `enum E { A = "${"x".repeat(100)}", ${Array.from({ length: 14 }, (_, i) => `B${i} = ${i === 0 ? "A" : `B${i - 1}`} + ${i === 0 ? "A" : `B${i - 1}`}`).join(", ")} }\nexport default () => [${"E.B13,".repeat(40)}].length;`,
  ],
  [
    "identifiers with lone surrogates and invisible letters",
    `const \u200c\u{1d4d0} = "\\ud800"; export default () => "\u202e";`,
  ],
];

export const upload: Attack[] = [
  ...attacksOf(failing, { expect: FAILS }),
  ...attacksOf(refused, { expect: REFUSED }),
  ...attacksOf(either, { limits: { memoryMb: 64, wallMs: 2_000 }, expect: EITHER }),
  {
    name: "files whose names climb out or are absolute",
    source: `import a from "./a.json"; export default () => a;`,
    files: {
      "a.json": "1",
      "../../outside.ts": "export default 1",
      "/etc/cron.d/x.ts": "export default 1",
      __proto__: "1",
    },
    expect: REFUSED,
  },
  {
    name: "files named like parts of the prototype",
    source: `import a from "./constructor.ts"; import b from "./toString.ts"; export default () => [a, b];`,
    files: {
      "constructor.ts": "export default 1;",
      "toString.ts": "export default 2;",
      "hasOwnProperty.ts": "export default 3;",
    },
    expect: { answer: { equal: [1, 2] } },
  },
  {
    name: "a package.json and a tsconfig.json that would steer the build",
    source: `import x from "./x.ts"; export default () => x;`,
    files: {
      "x.ts": "export default 1;",
      "package.json": `{"main":"/etc/passwd","browser":{"./x.ts":"/etc/passwd"},"sideEffects":false,"imports":{"./x.ts":"/etc/passwd"}}`,
      "tsconfig.json": `{"extends":"/etc/passwd","compilerOptions":{"baseUrl":"/etc","paths":{"*":["/etc/*"]},"jsxImportSource":"/etc"}}`,
    },
    expect: { answer: { equal: 1 } },
  },
  {
    name: "a circle of imports and a file that imports itself",
    source: `import { b } from "./b.ts"; import * as me from "./index.ts"; export const a = 1; export default () => [typeof b, typeof me.default];`,
    files: { "b.ts": `import { a } from "./index.ts"; export const b = () => a;` },
    expect: { answer: { equal: ["function", "function"] } },
  },
];
