/** What can happen next. A move is told by names alone, so that a trace of moves can be played again, or shortened. */
import { type RequestKind, request } from "../requests.ts";
import type { Actor } from "./actors.ts";
import type { Bell, Note } from "./messages.ts";
import type { Process } from "./processes.ts";
import type { World } from "./world.ts";

export type Move =
  /** An actor goes on: its statement is done, or it hears the answer. */
  | { kind: "go"; actor: string }
  /** Time passes until something can go on by itself. */
  | { kind: "advance" }
  | { kind: "bell"; bell: string; process: string }
  | { kind: "note"; note: string }
  | { kind: "request"; of: RequestKind; taskId: string; choice: number }
  | { kind: "start"; process: string }
  | Fault;

export type Fault =
  | { kind: "crash"; process: string }
  | { kind: "drain"; process: string }
  | { kind: "freeze"; process: string; forMs: number }
  | { kind: "step clock"; process: string; byMs: number }
  | { kind: "disconnect"; actor: string }
  | { kind: "stall"; actor: string; forMs: number }
  | { kind: "freeze database"; forMs: number }
  | { kind: "lose bell"; bell: string }
  | { kind: "double bell"; bell: string }
  | { kind: "lose note"; note: string };

/** Bells that nobody has heard. */
export const listTravelling = (world: World): Bell[] =>
  world.bells.size === 0 ? [] : [...world.bells.values()].filter(({ heardBy }) => heardBy === null);

export const canHear = ({ isUp, isDeaf, frozenUntilMs, hear }: Process) =>
  isUp && !isDeaf && frozenUntilMs === null && hear !== undefined;

/** A worker that is not at it already. */
export const canDrain = ({ isUp, isDeaf, drain }: Process) => isUp && !isDeaf && drain !== undefined;

/** Of an actor whose statement, or its answer, is under way. */
export const isConnected = ({ state, request }: Actor) =>
  (state === "asked" || state === "answered") &&
  (request?.kind === "statement" || request?.kind === "commit");

/** False: it cannot happen as things stand, and nothing has. */
export function play(world: World, move: Move): boolean {
  switch (move.kind) {
    case "go": {
      const actor = world.actors.find((one) => one.name === move.actor && world.canMove(one));
      if (actor) world.move(actor);
      return actor !== undefined;
    }
    case "advance":
      return world.advance();
    case "bell":
      return deliverBell(world.bells.get(move.bell), world.processes.get(move.process));
    case "note":
      return deliverNote(world, world.notes.get(move.note));
    case "request": {
      if (!world.database.read("tasks").has(move.taskId)) return false;
      const api = world.processes.get("api")!;
      if (!api.isUp) return false;
      const name = `${move.of} ${move.taskId} ${world.drawNumber()}`;
      world.spawn(api, name, request(world, move.of, move.taskId, move.choice));
      return true;
    }
    case "start":
      return onProcess(world, move.process, ({ isUp }) => !isUp, world.start);
    default:
      return playFault(world, move);
  }
}

function playFault(world: World, fault: Fault): boolean {
  switch (fault.kind) {
    case "crash":
      return onProcess(world, fault.process, ({ isUp }) => isUp, world.crash);
    case "drain":
      return onProcess(world, fault.process, canDrain, (process) => process.drain!());
    case "freeze":
      return onProcess(
        world,
        fault.process,
        ({ isUp }) => isUp,
        (process) => {
          process.frozenUntilMs = world.nowMs + fault.forMs;
        },
      );
    case "step clock":
      return onProcess(
        world,
        fault.process,
        () => true,
        (process) => {
          process.clockOffsetMs = fault.byMs;
          process.aheadMs = Math.max(process.aheadMs, fault.byMs);
        },
      );
    case "disconnect": {
      const actor = findConnected(world, fault.actor);
      if (actor) world.disconnect(actor);
      return actor !== undefined;
    }
    case "stall": {
      const actor = findConnected(world, fault.actor);
      if (actor) actor.stalledUntilMs = world.nowMs + fault.forMs;
      return actor !== undefined;
    }
    case "freeze database":
      world.databaseFrozenUntilMs = world.nowMs + fault.forMs;
      return true;
    case "lose bell":
      return world.bells.delete(fault.bell);
    case "double bell": {
      const bell = world.bells.get(fault.bell);
      if (bell) world.ring([bell]);
      return bell !== undefined;
    }
    case "lose note":
      return world.notes.delete(fault.note);
  }
}

const findConnected = (world: World, name: string): Actor | undefined =>
  world.actors.find((actor) => actor.name === name && isConnected(actor));

function onProcess(
  world: World,
  name: string,
  isFit: (process: Process) => boolean,
  act: (process: Process) => void,
): boolean {
  const process = world.processes.get(name);
  if (!process || !isFit(process)) return false;
  act(process);
  return true;
}

function deliverBell(bell: Bell | undefined, process: Process | undefined): boolean {
  if (!bell || bell.heardBy !== null || bell.isCommitted || !process || !canHear(process)) return false;
  bell.heardBy = process.name;
  process.hear!(bell);
  return true;
}

function deliverNote({ notes, processes }: World, note: Note | undefined): boolean {
  if (!note) return false;
  notes.delete(note.id);
  for (const process of processes.values()) if (process.isUp) process.onNote?.(note);
  return true;
}

/** As a line of a trace. */
export function describe(move: Move): string {
  const { kind, ...rest } = move;
  return [kind, ...Object.values(rest)].join(" ");
}
