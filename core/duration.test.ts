import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDuration, parseDuration } from "./duration.ts";

test("a duration is a number with a unit, or ISO 8601", () => {
  const cases: [string, number][] = [
    ["0s", 0],
    ["500ms", 500],
    ["1.5s", 1_500],
    ["0.4ms", 0],
    ["30s", 30_000],
    ["10m", 600_000],
    ["2h", 7_200_000],
    ["1d", 86_400_000],
    ["1w", 604_800_000],
    ["1h30m", 5_400_000],
    ["1w2d3h4m5s6ms", 788_645_006],
    ["1.5h30s", 5_430_000],
    ["PT1H30M", 5_400_000],
    ["P2DT3S", 172_803_000],
    ["P1W", 604_800_000],
    ["PT0.25S", 250],
    ["P1DT2H3M4S", 93_784_000],
  ];
  for (const [text, ms] of cases) assert.equal(parseDuration(text), ms, text);
});

test("what is no duration, or has no fixed or no exact length, is undefined", () => {
  const refused = [
    "",
    "10",
    "s",
    "-1s",
    "+1s",
    " 1s",
    "1 s",
    "1S",
    "30m1h",
    "1h1h",
    "1h 30m",
    "1e3s",
    ".5s",
    "1.s",
    "Infinitys",
  ];
  const refusedIso = ["P", "PT", "P1DT", "P1Y", "P1M", "-PT1S", "PT-1S", "P0.5D", "PT1.5H", "pt1s"];
  const tooLong = ["9007199254740993ms", "99999999999999999999d", "P99999999999999999999W"];
  for (const text of [...refused, ...refusedIso, ...tooLong])
    assert.equal(parseDuration(text), undefined, text);
});

test("formatting finds the largest unit that is exact, and parsing brings it back", () => {
  const cases: [number, string][] = [
    [0, "0ms"],
    [1, "1ms"],
    [1_500, "1500ms"],
    [90_000, "90s"],
    [600_000, "10m"],
    [3_600_000, "1h"],
    [129_600_000, "36h"],
    [172_800_000, "2d"],
  ];
  for (const [ms, text] of cases) {
    assert.equal(formatDuration(ms), text);
    assert.equal(parseDuration(text), ms);
  }
});
