import assert from "node:assert/strict";
import { test } from "node:test";
import { SCRIPTS } from "./scripts.ts";

/** What came after 3.2, with its version. */
const NEWER = {
  "an index from the end (4.3)": /\[-\d+\]/,
  "mapfile (4.0)": /\b(mapfile|readarray)\b/,
  "an associative array (4.0)": /\b(declare|local|typeset) -\w*A/,
  "a name reference (4.3)": /\b(declare|local|typeset) -\w*n/,
  "another case (4.0)": /\$\{[^}]*(\^|,)\}/,
  "a quoted expansion (4.4)": /\$\{[^}]*@[QEPAa]\}/,
  "|& (4.0)": /\|&/,
  "compopt (4.0)": /\bcompopt\b/,
};

test("the script for bash has nothing that the bash of macOS, 3.2, does not know", () => {
  for (const [what, form] of Object.entries(NEWER)) assert.doesNotMatch(SCRIPTS.bash, form, what);
});
