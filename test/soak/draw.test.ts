import assert from "node:assert/strict";
import { test } from "node:test";
import { drawPicture } from "./draw.ts";

const PICTURE = {
  title: "Memory of processes",
  subtitle: "a <load>",
  unit: "MB",
  curves: [
    {
      label: "api",
      points: [
        { atSeconds: 0, value: 0 },
        { atSeconds: 120, value: 80 },
      ],
    },
    { label: "worker", points: [] },
  ],
};

test("a curve begins at the axes' corner, ends at its last value, and is named with it", () => {
  const drawn = drawPicture(PICTURE);
  assert.match(drawn, /d="M64 264L560 66"/);
  assert.match(drawn, />api<\/text>\n.*80 MB at the end/);
  assert.match(drawn, />2 min</);
});

test("what was not seen is named without a curve, and words are words", () => {
  const drawn = drawPicture(PICTURE);
  assert.match(drawn, />worker<\/text>\n.*>none</);
  assert.match(drawn, />a &lt;load&gt;</);
  assert.equal(drawPicture(PICTURE), drawn);
});
