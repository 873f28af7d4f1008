/** The screen of `top`, of what is known: pure. */
import type { Schemas } from "../../client/client.ts";
import { describeWaiting } from "../commands/queues.ts";
import { printableLine } from "../terminal/printable.ts";
import type { Style } from "../terminal/style.ts";
import { cut, renderTable } from "../terminal/table.ts";
import { formatFromNow, formatTime } from "../terminal/time.ts";

export interface TopState {
  where: string;
  queues: Schemas["Queue"][];
  /** Undefined: the key may not see them. */
  workers: Schemas["Worker"][] | undefined;
  errors: Schemas["ErrorGroup"][];
  /** In the last minute. */
  perMinute: { started: number; succeeded: number; failed: number };
  recent: { at: string; what: string; of: string; isFailure: boolean }[];
  /** What is wrong with the connection. */
  trouble: string | undefined;
}

export interface Frame {
  width: number;
  height: number;
  nowMs: number;
  style: Style;
}

export function renderTop(state: TopState, { width, height, nowMs, style }: Frame): string[] {
  const now = formatTime(new Date(nowMs).toISOString());
  const lines = [
    style.bold(cut(`bellhop top  ${state.where}  ${now}`, width)),
    ...(state.trouble === undefined ? [] : [style.red(cut(printableLine(state.trouble), width))]),
    cut(describeWorkers(state.workers), width),
    cut(describeBacklog(state.queues), width),
    cut(describeRates(state.perMinute), width),
    "",
    ...renderQueues(state.queues, nowMs, style, width),
    "",
    ...renderErrors(state.errors, nowMs, style, width),
    "",
    ...(state.recent.length === 0 ? [style.dim("Nothing has happened yet.")] : [style.dim("RECENT")]),
    ...state.recent.map((each) => renderRecent(each, style, width)),
  ];
  return [...lines.slice(0, Math.max(1, height - 1)), style.dim("q ends it")];
}

function describeWorkers(workers: TopState["workers"]): string {
  if (!workers) return "workers   an operator's key sees them";
  const [slots, free] = [sum(workers, ({ slots }) => slots), sum(workers, ({ free }) => free)];
  const draining = workers.filter((worker) => worker.draining).length;
  return `workers   ${workers.length}, ${slots - free} of ${slots} slots taken${draining > 0 ? `, ${draining} draining` : ""}`;
}

function describeBacklog(queues: TopState["queues"]): string {
  const paused = queues.filter((queue) => queue.paused).length;
  const [running, waiting] = [sum(queues, ({ running }) => running), sum(queues, ({ waiting }) => waiting)];
  return `backlog   ${waiting} waiting, ${running} running${paused > 0 ? `, ${paused} queues paused` : ""}`;
}

const describeRates = ({ started, succeeded, failed }: TopState["perMinute"]): string =>
  `a minute  ${started} started, ${succeeded} succeeded, ${failed} failed`;

function renderQueues(queues: TopState["queues"], nowMs: number, style: Style, width: number): string[] {
  const busiest = [...queues].sort((a, b) => b.waiting + b.running - a.waiting - a.running).slice(0, 8);
  return renderTable(
    busiest,
    [
      { title: "QUEUE", text: ({ name, paused }) => (paused ? `${name} (paused)` : name), shrinks: true },
      { title: "RUNNING", text: ({ running }) => running, align: "right" },
      { title: "WAITING", text: ({ waiting }) => waiting, align: "right" },
      { title: "OLDEST", text: ({ oldestWaitingAt }) => formatFromNow(oldestWaitingAt, nowMs) },
      { title: "FOR", text: describeWaiting, shrinks: true },
    ],
    style,
    width,
  );
}

function renderErrors(errors: TopState["errors"], nowMs: number, style: Style, width: number): string[] {
  if (errors.length === 0) return [style.green("Nothing fails.")];
  return renderTable(
    errors,
    [
      { title: "FAILING", text: ({ code }) => code, paint: (text) => style.red(text) },
      { title: "COUNT", text: ({ count }) => count, align: "right" },
      { title: "LAST", text: ({ lastSeenAt }) => formatFromNow(lastSeenAt, nowMs) },
      { title: "MESSAGE", text: ({ message }) => message, shrinks: true },
    ],
    style,
    width,
  );
}

function renderRecent(
  { at, what, of, isFailure }: TopState["recent"][number],
  style: Style,
  width: number,
): string {
  const text = cut(printableLine(`${formatTime(at)} ${what.padEnd(10)} ${of}`), width);
  return isFailure ? style.red(text) : text;
}

const sum = <Item>(items: readonly Item[], count: (item: Item) => number) =>
  items.reduce((total, item) => total + count(item), 0);
