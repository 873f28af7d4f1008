/** Which fault comes, and whom it strikes. */
import type { Random } from "../../support/random.ts";
import type { Actor } from "../simulation/actors.ts";
import { canDrain, type Fault, isConnected, listTravelling } from "../simulation/moves.ts";
import type { Process } from "../simulation/processes.ts";
import type { World } from "../simulation/world.ts";

export const FAULTS: readonly Fault["kind"][] = [
  ...(["crash", "drain", "freeze", "step clock", "disconnect", "stall", "freeze database"] as const),
  ...(["lose bell", "double bell", "lose note"] as const),
];

/** What a storm says of its faults. */
export interface FaultWeather {
  faults: readonly Fault["kind"][];
  /** A part of the names of those actors whose connections it would rather strike; null: anybody's. */
  target: string | null;
}

/** Undefined: there is nobody to strike. */
export function drawFault(world: World, weather: FaultWeather, random: Random): Fault | undefined {
  const kind = random.pick(weather.faults);
  // Where something has just happened a fault does most harm.
  const struck = random.next() < 0.5 ? world.lastMoved : undefined;
  switch (kind) {
    case "crash":
    case "drain":
    case "freeze":
    case "step clock":
      return drawProcessFault(world, kind, struck, random);
    case "disconnect":
    case "stall": {
      const actor = drawConnected(world, weather.target, struck, random);
      if (!actor) return undefined;
      if (kind === "disconnect") return { kind, actor: actor.name };
      return { kind, actor: actor.name, forMs: random.pick([100, 700, 2_500, 5_500, 7_000, 14_000]) };
    }
    case "freeze database":
      return { kind, forMs: random.pick([500, 3_000, 7_000, 20_000]) };
    case "lose bell":
    case "double bell": {
      const bell = pickOne(listTravelling(world), random);
      return bell && { kind, bell: bell.id };
    }
    case "lose note": {
      const note = pickOne([...world.notes.keys()], random);
      return note === undefined ? undefined : { kind, note };
    }
  }
}

const pickOne = <Item>(items: readonly Item[], random: Random) =>
  items.length > 0 ? random.pick(items) : undefined;

function drawProcessFault(
  world: World,
  kind: "crash" | "drain" | "freeze" | "step clock",
  struck: Actor | undefined,
  random: Random,
): Fault | undefined {
  const up = [...world.processes.values()].filter(({ isUp }) => isUp);
  if (kind === "step clock") {
    const scheduler = pickOne(
      up.filter(({ role }) => role === "scheduler"),
      random,
    );
    return scheduler && { kind, process: scheduler.name, byMs: random.pick([-3_000, -200, 0, 200, 3_000]) };
  }
  if (kind === "drain") {
    const worker = pickOne(up.filter(canDrain), random);
    return worker && { kind, process: worker.name };
  }
  const process = drawProcess(world, struck, random) ?? pickOne(up, random);
  if (!process) return undefined;
  if (kind === "crash") return { kind, process: process.name };
  return { kind, process: process.name, forMs: random.pick([1_000, 8_000, 10_000, 14_000]) };
}

/** Often one that has a run: it has most to lose. */
function drawProcess(world: World, struck: Actor | undefined, random: Random): Process | undefined {
  if (struck?.process.isUp) return struck.process;
  const running = [...world.database.read("runs").values()].filter(({ state }) => state === "running");
  const run = random.next() < 0.7 ? pickOne(running, random) : undefined;
  const worker = run && world.processes.get(run.workerId!.split(".")[0]!);
  return worker?.isUp ? worker : undefined;
}

function drawConnected(
  { actors }: World,
  target: string | null,
  struck: Actor | undefined,
  random: Random,
): Actor | undefined {
  const connected = actors.filter(isConnected);
  const aimed = target === null ? [] : connected.filter(({ name }) => name.includes(target));
  if (aimed.length > 0) return random.pick(aimed);
  return struck && isConnected(struck) ? struck : pickOne(connected, random);
}
