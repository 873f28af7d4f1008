import assert from "node:assert/strict";
import { test } from "node:test";
import { printable, printableLine } from "./printable.ts";
import { createStyle } from "./style.ts";
import { type Column, cut, renderTable } from "./table.ts";

const plain = createStyle(false);
const columns: Column<{ name: string; count: number | null }>[] = [
  { title: "NAME", text: ({ name }) => name, shrinks: true },
  { title: "COUNT", text: ({ count }) => count, align: "right" },
];

test("columns are as wide as they have to be, by what a terminal shows", () => {
  const rows = [
    { name: "日本", count: 1 },
    { name: "a", count: null },
  ];
  assert.deepEqual(renderTable(rows, columns, plain, undefined), [
    "NAME  COUNT",
    "日本      1",
    "a         –",
  ]);
});

test("where the terminal is narrow the column that may gives way, and nowhere else", () => {
  const rows = [{ name: "a name that is much too long for it", count: 12_345 }];
  assert.deepEqual(renderTable(rows, columns, plain, 25), [
    "NAME                COUNT",
    "a name that is mu…  12345",
  ]);
  assert.match(renderTable(rows, columns, plain, undefined)[1]!, /long for it {2}12345/);
  assert.equal(cut("日本語", 5), "日本…");
});

test("what others wrote stays on its line and steers nothing", () => {
  assert.equal(printable("a\u001b[31mb\r\nc\u0007\u202e"), "a\\u001b[31mb\nc\\u0007\\u202e");
  assert.equal(printableLine("a\nb\tc"), "a⏎b c");
});
