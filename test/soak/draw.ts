/** Curves over time as a picture. Pure; the same input draws the same bytes. */
import type { Point } from "./judge.ts";

export interface Curve {
  label: string;
  points: readonly Point[];
}

export interface Picture {
  title: string;
  subtitle: string;
  unit: string;
  curves: readonly Curve[];
}

const WIDTH = 760;
const HEIGHT = 300;
const PLOT = { left: 64, right: 200, top: 66, bottom: 36 };
const COLOURS = ["#2f6fb0", "#e4761b", "#2c8a57", "#9a4fb5", "#b23a48", "#6b7a8f"];
const TEXT = "#24292f";
const FAINT = "#6a737d";
const GRID = "#e4e7eb";
const MARKS = 4;

export function drawPicture({ title, subtitle, unit, curves }: Picture): string {
  const all = curves.flatMap(({ points }) => points);
  const lastSecond = Math.max(60, ...all.map(({ atSeconds }) => atSeconds));
  const most = roundUp(Math.max(0, ...all.map(({ value }) => value)));
  const xOf = (second: number) => PLOT.left + (second / lastSecond) * (WIDTH - PLOT.left - PLOT.right);
  const yOf = (value: number) => HEIGHT - PLOT.bottom - (value / most) * (HEIGHT - PLOT.top - PLOT.bottom);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${title}" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="12" fill="${TEXT}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" rx="8" fill="#ffffff"/>`,
    text(PLOT.left, 28, title, 'font-size="16" font-weight="600"'),
    text(PLOT.left, 47, subtitle, `fill="${FAINT}"`),
    ...drawScale(most, unit, yOf),
    ...drawMinutes(lastSecond, xOf),
    ...curves.flatMap((curve, index) => drawCurve(curve, COLOURS[index % COLOURS.length]!, xOf, yOf)),
    ...curves.flatMap(({ label, points }, index) => drawLabel(label, points, unit, index)),
    "</svg>\n",
  ].join("\n");
}

function drawCurve(
  { points }: Curve,
  colour: string,
  xOf: (second: number) => number,
  yOf: (value: number) => number,
): string[] {
  if (points.length === 0) return [];
  const path = points.map(({ atSeconds, value }) => `${round(xOf(atSeconds))} ${round(yOf(value))}`);
  return [
    `<path fill="none" stroke="${colour}" stroke-width="1.5" stroke-linejoin="round" d="M${path.join("L")}"/>`,
  ];
}

/** With where it ended. */
function drawLabel(label: string, points: readonly Point[], unit: string, index: number): string[] {
  const [x, y] = [WIDTH - PLOT.right + 16, PLOT.top + 8 + index * 34];
  const last = points.at(-1);
  return [
    `<rect x="${x}" y="${y - 10}" width="11" height="11" rx="2" fill="${COLOURS[index % COLOURS.length]}"/>`,
    text(x + 16, y, label),
    text(x + 16, y + 14, last ? `${show(last.value)} ${unit} at the end` : "none", `fill="${FAINT}"`),
  ];
}

function drawScale(most: number, unit: string, yOf: (value: number) => number): string[] {
  return Array.from({ length: MARKS + 1 }, (_, mark) => (most / MARKS) * mark).flatMap((value) => [
    `<path stroke="${GRID}" d="M${PLOT.left} ${round(yOf(value))}H${WIDTH - PLOT.right}"/>`,
    text(
      PLOT.left - 8,
      round(yOf(value) + 4),
      value === most && unit ? `${show(value)} ${unit}` : show(value),
      `text-anchor="end" fill="${FAINT}"`,
    ),
  ]);
}

function drawMinutes(lastSecond: number, xOf: (second: number) => number): string[] {
  const minutes = Math.floor(lastSecond / 60);
  const step = Math.max(1, Math.ceil(minutes / 10));
  return Array.from({ length: Math.floor(minutes / step) + 1 }, (_, index) => index * step).flatMap(
    (minute) => [
      `<path stroke="${GRID}" d="M${round(xOf(minute * 60))} ${PLOT.top}V${HEIGHT - PLOT.bottom}"/>`,
      text(
        round(xOf(minute * 60)),
        HEIGHT - PLOT.bottom + 18,
        `${minute}${minute === 0 ? "" : " min"}`,
        `text-anchor="middle" fill="${FAINT}"`,
      ),
    ],
  );
}

const text = (x: number | string, y: number | string, words: string, attributes = "") =>
  `<text x="${x}" y="${y}"${attributes && ` ${attributes}`}>${escapeText(words)}</text>`;
const escapeText = (words: string) =>
  words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const round = (value: number) => value.toFixed(1).replace(/\.0$/, "");
const show = (value: number) =>
  value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });

/** The next of 1, 2, 4, 8 times a power of ten: its quarters are round. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 0.01)));
  return ([1, 2, 4, 8].find((step) => step * power >= value) ?? 10) * power;
}
