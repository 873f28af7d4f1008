import { setTimeout as delay } from "node:timers/promises";

const TRIES = 100;
const PAUSE_MS = 50;

/**
 * Asks until there is an answer, of whatever status: a server that is just starting may reset connections. What `ask` throws
 * is thrown on after so many tries, and at once where it is no lost connection, which `fetch` tells of as a TypeError.
 */
export async function untilAnswered<Answer>(
  ask: () => Promise<Answer>,
  pause: () => Promise<unknown> = () => delay(PAUSE_MS),
): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (tries === TRIES || !(error instanceof TypeError)) throw error;
    }
    await pause();
  }
}
