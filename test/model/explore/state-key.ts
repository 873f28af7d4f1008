/** What a state of the model is told by, so that the same state is searched once. */
import { createHash } from "node:crypto";
import type { Move } from "../simulation/moves.ts";
import type { World } from "../simulation/world.ts";

export interface History {
  /** Before the move is made. */
  record(move: Move): void;
  /** A digest of the state as it stands. */
  tellState(): string;
}

const TABLES = ["tasks", "runs", "finals", "workers", "limits"] as const;

/** What a process knows follows from what it has heard since it started, in this order, and when. */
export function createHistory(world: World): History {
  const heard = new Map<string, string[]>();
  const listOf = (process: string) => {
    const list = heard.get(process) ?? [];
    heard.set(process, list);
    return list;
  };

  function record(move: Move): void {
    switch (move.kind) {
      case "go": {
        const actor = world.actors.find((one) => one.name === move.actor && world.canMove(one));
        if (actor?.state !== "answered") return;
        listOf(actor.process.name).push(`${actor.name} ${actor.isLost} ${toText(actor.answer)}`);
        return;
      }
      case "bell":
        listOf(move.process).push(`bell ${move.bell}`);
        return;
      case "note":
        for (const { name, isUp } of world.processes.values())
          if (isUp) listOf(name).push(`note ${move.note}`);
        return;
      case "advance":
        for (const { name } of world.processes.values()) listOf(name).push(`advance ${world.nowMs}`);
        return;
      case "crash":
      case "start":
        heard.set(move.process, [`${move.kind} ${world.nowMs}`]);
        return;
      default:
    }
  }

  return {
    record,
    tellState() {
      const tables = TABLES.map((table) => [...world.database.read(table).values()]);
      const bells = Array.from(world.bells.values(), ({ id, heardBy }) => [id, heardBy]);
      const forgotten = Array.from(world.forgottenBells, ({ id }) => id);
      const actors = world.actors.map(({ name, state, isLost, answer, waitsFor }) =>
        state === "answered" ? [name, state, isLost, answer] : [name, state, waitsFor],
      );
      const all = [world.nowMs, tables, bells.sort(), forgotten, [...world.notes.keys()].sort()];
      const text = toText([...all, actors.sort(byName), [...heard].sort(byName)]);
      return createHash("sha1").update(renumber(text)).digest("base64");
    },
  };
}

const byName = ([one]: readonly unknown[], [other]: readonly unknown[]) =>
  String(one) < String(other) ? -1 : 1;

/** Numbers that were drawn (`World.drawNumber`) are told by where they first stand: another order draws others. */
function renumber(text: string): string {
  const known = new Map<string, number>();
  return text.replace(/(?<=[#!]|"tuple":|"key":"[^"]*\/)\d+/g, (number) => {
    if (!known.has(number)) known.set(number, known.size);
    return String(known.get(number));
  });
}

const toText = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    part instanceof Map || part instanceof Set ? [...part] : part === undefined ? null : part,
  ) ?? "undefined";
