/** `top`: a live view of backlog, workers, rates and what fails. */
import type { Command } from "commander";
import { type Arguments, addExamples, withSession } from "../command.ts";
import { Interrupted } from "../failure.ts";
import { pause } from "../interrupt.ts";
import type { Cli, Session } from "../session.ts";
import { Screen } from "../terminal/screen.ts";
import { TopReader } from "../top/read-top.ts";
import { renderTop } from "../top/render-top.ts";

const LOOK_MS = 1000;

export function addTop(program: Command, cli: Cli): void {
  addExamples(
    program
      .command("top")
      .description("a live view: backlog, workers, rates, failures; q quits")
      .option("--once", "print it once; the default without a terminal")
      .action(withSession<{ once?: boolean }>(cli, top)),
    "top",
    "top --once --json",
  );
}

async function top(session: Session, _: Arguments, { once }: { once?: boolean }): Promise<void> {
  const { out, asking } = session;
  const reader = new TopReader(session);
  if (once || out.json || !out.isTerminal || !asking.stdin.isTTY) {
    await reader.look();
    const { trouble, recent: _recent, perMinute: _rates, ...known } = reader.state(session.now());
    if (trouble !== undefined) throw new Error(trouble);
    const frame = {
      width: out.width ?? 120,
      height: Number.POSITIVE_INFINITY,
      nowMs: session.now(),
      style: out.style,
    };
    return out.answer(known, () => {
      const lines = renderTop(reader.state(frame.nowMs), frame).slice(0, -3);
      for (const line of lines.filter((line) => !line.startsWith("a minute"))) out.line(line);
    });
  }
  await showLive(session, reader);
}

async function showLive(session: Session, reader: TopReader): Promise<void> {
  const { out, asking } = session;
  // The first look says what is wrong before the terminal is taken.
  await reader.look();
  const end = new AbortController();
  const signal = AbortSignal.any([session.signal, end.signal]);
  const screen = new Screen(asking.stdin, process.stdout);
  const draw = () => {
    const nowMs = session.now();
    screen.draw(renderTop(reader.state(nowMs), { ...screen.size, nowMs, style: out.style }));
  };
  try {
    screen.listen((key) => {
      if (key === "q" || key === "Q") end.abort();
    }, draw);
    // One that is refused, as where too many follow, ends the view.
    let onOpen = () => {};
    const opened = new Promise<void>((resolve) => {
      onOpen = resolve;
    });
    const events = reader.followEvents(signal, onOpen).catch((error: unknown) => {
      if (!(error instanceof Interrupted)) throw error;
    });
    // What happens from the first picture on is in the next ones.
    await Promise.race([events, opened]);
    await Promise.race([events, lookOn(reader, draw, signal)]);
  } finally {
    end.abort();
    screen.close();
  }
}

async function lookOn(reader: TopReader, draw: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    draw();
    await pause(LOOK_MS, signal).catch(() => {});
    if (!signal.aborted) await reader.look();
  }
}
