/** A chart over time, by uPlot, in the colours of the theme. What it says stands beside it in words. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Series {
  label: string;
  /** A custom property of the theme. */
  color: string;
  values: (number | null)[];
  /** What the legend says, where series stand on each other. */
  shown?: readonly (number | null)[];
}

interface ChartProps {
  label: string;
  at: number[];
  series: readonly Series[];
  isBars?: boolean;
  unit?: string;
}

const HEIGHT = 170;

export function Chart({ label, at, series, isBars = false, unit = "" }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const data = [at, ...series.map(({ values }) => values)] as uPlot.AlignedData;
  const shown = useRef({ data, series });
  shown.current = { data, series };
  useEffect(() => plot.current?.setData(data), [data]);
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(
        optionsOf(element, () => shown.current.series, isBars, unit),
        shown.current.data,
        element,
      );
    };
    draw();
    const resized = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    resized.observe(element);
    const themed = new MutationObserver(draw);
    themed.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    const preferred = matchMedia("(prefers-color-scheme: dark)");
    preferred.addEventListener("change", draw);
    return () => {
      resized.disconnect();
      themed.disconnect();
      preferred.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [isBars, unit, series.map((each) => each.label).join()]);
  return <div class="chart" ref={host} role="img" aria-label={label} />;
}

/** Few values are seen by their points alone, many are a line. */
const isSparse = (values: readonly (number | null)[]) =>
  values.filter((value) => value !== null).length <= 12;

/** A canvas knows no custom properties, and none of them is a plain colour. */
function resolveColor(element: Element, name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Of an axis that counts: no half run. */
const WHOLE_STEPS = Array.from({ length: 12 }, (_, power) =>
  [1, 2, 5].map((step) => step * 10 ** power),
).flat();

function optionsOf(
  element: HTMLElement,
  /** Those of the moment: their values change under the chart. */
  seriesNow: () => readonly Series[],
  isBars: boolean,
  unit: string,
): uPlot.Options {
  const color = (name: string) => resolveColor(element, name);
  const axis = {
    stroke: color("--muted"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
  };
  const paths = isBars && uPlot.paths.bars ? { paths: uPlot.paths.bars({ size: [0.75, 24, 3] }) } : {};
  return {
    ...{ width: element.clientWidth, height: HEIGHT, padding: [8, 20, 0, 0], legend: { live: true } },
    cursor: { points: { show: false }, drag: { x: false, y: false } },
    // Counts are whole; of seconds a few hundredths are worth seeing.
    scales: { y: { range: (_plot, _low, high) => [0, Math.max(high ?? 0, unit === "" ? 1 : 0.05) * 1.1] } },
    axes: [
      { ...axis, values: "{HH}:{mm}" as never, size: 28 },
      {
        ...axis,
        ...(unit === "" && { incrs: WHOLE_STEPS }),
        size: 48,
        values: (_plot, ticks) => ticks.map((tick) => `${tick}${unit}`),
      },
    ],
    series: [
      { label: "At", value: "{HH}:{mm}" },
      ...seriesNow().map(({ label, color: name, values }, index) => ({
        ...{
          label,
          stroke: color(name),
          width: isBars ? 0 : 2,
          points: { show: !isBars && isSparse(values), size: 6, fill: color(name) },
          spanGaps: true,
        },
        ...(isBars && { fill: color(name) }),
        ...paths,
        value: (_plot: uPlot, drawn: number | null, _series: number, at: number | null) => {
          const value = at === null ? null : (seriesNow()[index]?.shown?.[at] ?? drawn);
          return value === null ? "–" : `${Number(value.toFixed(2))}${unit}`;
        },
      })),
    ],
  };
}
