/**
 * A connection through a pooler in transaction mode. The session may be another after each transaction: what belongs to
 * one is said anew at each begin, and statements are prepared by name only where the pooler carries the names.
 */
import type pg from "pg";
import { SESSION, toLocalStatements } from "./session-settings.ts";
import { TimedClient } from "./timed-client.ts";

const BEGIN = /^\s*(begin|start\s+transaction)\b/i;
const LOCAL_SETTINGS = toLocalStatements(SESSION);

export class SharedSessionClient extends TimedClient {
  readonly #keepsNames: boolean;

  constructor(config: pg.ClientConfig, keepsNames: boolean) {
    super(config);
    this.#keepsNames = keepsNames;
  }

  // The driver has an overload for each way to be called; all of them begin with the statement.
  // biome-ignore lint/suspicious/noExplicitAny: they are handed on as they came
  override query(...[statement, ...rest]: any[]): any {
    // biome-ignore lint/suspicious/noExplicitAny: the same
    return super.query(...([this.#adapt(statement), ...rest] as [any]));
  }

  #adapt(statement: unknown): unknown {
    if (typeof statement === "string")
      return BEGIN.test(statement) ? `${statement}; ${LOCAL_SETTINGS}` : statement;
    if (this.#keepsNames || !isNamed(statement)) return statement;
    const { name: _name, ...unnamed } = statement;
    return unnamed;
  }
}

function isNamed(statement: unknown): statement is pg.QueryConfig {
  return typeof statement === "object" && statement !== null && "name" in statement && "text" in statement;
}
