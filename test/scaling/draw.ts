/** A simulation as a picture: runs above, workers below, on one time axis. Pure; the same input draws the same bytes. */
import { type Sample, SIMULATED, type Simulation } from "./simulate.ts";

const WIDTH = 760;
const HEIGHT = 360;
const LEFT = 64;
const RIGHT = 32;
const RUNS = { top: 76, height: 130 };
const WORKERS = { top: 238, height: 84 };
const COLOURS = {
  waiting: "#e4761b",
  running: "#2f6fb0",
  up: "#2c8a57",
  starting: "#a9d8bd",
  retiring: "#b9bec6",
  text: "#24292f",
  faint: "#6a737d",
  grid: "#e4e7eb",
};

interface Strip {
  top: number;
  height: number;
}

/** One layer of a stack: how much of it there is at each sample. */
interface Layer {
  label: string;
  colour: string;
  of(sample: Sample): number;
}

const RUN_LAYERS: Layer[] = [
  { label: "running", colour: COLOURS.running, of: ({ running }) => running },
  { label: "waiting", colour: COLOURS.waiting, of: ({ waiting }) => waiting },
];
const WORKER_LAYERS: Layer[] = [
  { label: "up", colour: COLOURS.up, of: ({ up }) => up },
  { label: "starting", colour: COLOURS.starting, of: ({ starting }) => starting },
  { label: "retiring", colour: COLOURS.retiring, of: ({ retiring }) => retiring },
];

export function drawSimulation({ shape, samples, maxWaitMs }: Simulation): string {
  const xOf = (second: number) => LEFT + (second / shape.durationSeconds) * (WIDTH - LEFT - RIGHT);
  const highest = (layers: Layer[]) => Math.max(...samples.map((sample) => sumOf(layers, sample)));
  const mostRuns = roundUp(highest(RUN_LAYERS));
  const mostWorkers = Math.max(highest(WORKER_LAYERS), SIMULATED.maxWorkers);
  const subtitle = `${SIMULATED.maxWorkers} workers of ${SIMULATED.slots} slots at most; each run takes ${shape.runMs / 1_000} s; longest wait ${formatSeconds(maxWaitMs)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${shape.title}" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="12" fill="${COLOURS.text}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" rx="8" fill="#ffffff"/>`,
    text(LEFT, 28, shape.title, 'font-size="16" font-weight="600"'),
    text(LEFT, 47, subtitle, `fill="${COLOURS.faint}"`),
    ...drawTimeAxis(shape.durationSeconds, xOf),
    ...drawScale(RUNS, [0, mostRuns / 2, mostRuns], mostRuns),
    ...drawStack(RUNS, RUN_LAYERS, samples, mostRuns, xOf),
    ...drawLegend(RUNS.top - 8, "Runs", RUN_LAYERS),
    ...drawScale(WORKERS, [0, mostWorkers / 2, mostWorkers], mostWorkers),
    ...drawStack(WORKERS, WORKER_LAYERS, samples, mostWorkers, xOf),
    ...drawLegend(WORKERS.top - 8, "Workers", WORKER_LAYERS),
    "</svg>\n",
  ].join("\n");
}

/** Steps, not slopes: a count holds until the next one. */
function drawStack(
  { top, height }: Strip,
  layers: Layer[],
  samples: Sample[],
  most: number,
  xOf: (second: number) => number,
): string[] {
  const yOf = (value: number) => top + height - (value / most) * height;
  return layers.flatMap(({ colour }, index) => {
    const below = layers.slice(0, index);
    const upper = outline(samples, (sample) => yOf(sumOf([...below, layers[index]!], sample)), xOf);
    const lower = outline(samples, (sample) => yOf(sumOf(below, sample)), xOf).reverse();
    if (samples.every((sample) => layers[index]!.of(sample) === 0)) return [];
    return [`<path fill="${colour}" d="M${[...upper, ...lower].join("L")}Z"/>`];
  });
}

/** Corners of the steps; what does not change is left out. */
function outline(
  samples: Sample[],
  yOf: (sample: Sample) => number,
  xOf: (second: number) => number,
): string[] {
  const corners: string[] = [];
  let lastY: string | undefined;
  for (const sample of samples) {
    const [x, y] = [round(xOf(sample.second)), round(yOf(sample))];
    if (y === lastY) continue;
    if (lastY !== undefined) corners.push(`${x} ${lastY}`);
    corners.push(`${x} ${y}`);
    lastY = y;
  }
  return [...corners, `${round(xOf(samples.at(-1)!.second))} ${lastY}`];
}

function drawTimeAxis(durationSeconds: number, xOf: (second: number) => number): string[] {
  const bottom = WORKERS.top + WORKERS.height;
  const lines: string[] = [];
  for (let second = 0; second <= durationSeconds; second += 60) {
    const x = round(xOf(second));
    for (const { top, height } of [RUNS, WORKERS])
      lines.push(`<path stroke="${COLOURS.grid}" d="M${x} ${top}V${top + height}"/>`);
    lines.push(
      text(
        x,
        bottom + 18,
        `${second / 60}${second === 0 ? "" : " min"}`,
        `text-anchor="middle" fill="${COLOURS.faint}"`,
      ),
    );
  }
  return lines;
}

function drawScale({ top, height }: Strip, values: number[], most: number): string[] {
  return values.flatMap((value) => {
    const y = round(top + height - (value / most) * height);
    return [
      `<path stroke="${COLOURS.grid}" d="M${LEFT} ${y}H${WIDTH - RIGHT}"/>`,
      text(
        LEFT - 8,
        Number(y) + 4,
        value.toLocaleString("en-US"),
        `text-anchor="end" fill="${COLOURS.faint}"`,
      ),
    ];
  });
}

function drawLegend(y: number, title: string, layers: Layer[]): string[] {
  const parts = [text(LEFT, y, title, 'font-weight="600"')];
  let x = LEFT + 68;
  for (const { label, colour } of layers) {
    parts.push(`<rect x="${x}" y="${y - 10}" width="11" height="11" rx="2" fill="${colour}"/>`);
    parts.push(text(x + 16, y, label));
    x += 84;
  }
  return parts;
}

const text = (x: number | string, y: number, words: string, attributes = "") =>
  `<text x="${x}" y="${y}"${attributes && ` ${attributes}`}>${words}</text>`;
const sumOf = (layers: Layer[], sample: Sample) => layers.reduce((sum, { of }) => sum + of(sample), 0);
const round = (value: number) => value.toFixed(1).replace(/\.0$/, "");
const formatSeconds = (ms: number) =>
  ms === 0 ? "none" : `${(ms / 1_000).toFixed(1).replace(/\.0$/, "")} s`;

/** The next of 2, 4, 6, 8, 10 times a power of ten: halves are whole. */
function roundUp(value: number): number {
  let step = 2;
  while (step * 5 < value) step *= 10;
  return Math.max(Math.ceil(value / step) * step, 2);
}
