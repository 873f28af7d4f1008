/** The one place that knows how a database that is away looks, in the words of PostgreSQL, of `pg` and of sockets. */

/** What connecting, reading and writing meet where there is no server, or none any more. */
const SYSTEM_CODES = new Set([
  ...["ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EPIPE", "ETIMEDOUT", "EADDRNOTAVAIL", "ENOENT"],
  ...["EHOSTUNREACH", "EHOSTDOWN", "ENETUNREACH", "ENETDOWN", "ENOTFOUND", "EAI_AGAIN", "EAI_FAIL"],
]);

/**
 * Connections broken or not made (08), no memory, disk or connection left (53), a server that starts, stops or ended
 * the session (57P), one that takes no writes, such as a standby (25006), a transaction that was idle or took too long
 * (25P03, 25P04), and a statement that was cancelled, by its timeout or by a hand (57014).
 */
const AWAY_STATE = /^(08\w{3}|53\w{3}|57P\w{2}|57014|25006|25P0[34])$/;

/** A user or password that is not taken, and a database that is not there. */
const REFUSING_STATE = /^(28\w{3}|3D000)$/;

/** `pg` and `pg-pool` give these no code. */
const AWAY_MESSAGE = new RegExp(
  [
    "^Connection terminated",
    "^Client (has encountered a connection error|was closed) and is not queryable$",
    "^timeout exceeded when trying to connect$",
    "^timeout expired$",
    "^Query read timeout$",
    "^Cannot use a pool after calling end on the pool$",
    // A server too full to start a session says so where TLS is agreed on.
    "^There was an error establishing an SSL connection$",
    // The answer to a statement that was given up comes to the next one.
    "^Received unexpected \\w+ message from backend\\.$",
  ].join("|"),
);

/** The server counts parameters under the class of broken connections. */
const OWN_MISTAKE = /^bind message /;
const MAX_DEPTH = 5;

/** Whether the database is away: nothing is wrong with what was asked, and it may be asked again. */
export function isDatabaseAway(thrown: unknown): boolean {
  return someCause(thrown, (error, code) => {
    if (OWN_MISTAKE.test(error.message)) return false;
    if (code === "ENOENT") return error.syscall === "connect";
    return SYSTEM_CODES.has(code) || AWAY_STATE.test(code) || AWAY_MESSAGE.test(error.message);
  });
}

/** Whether it is there and refuses us: no waiting mends that, only whoever runs Bellhop. */
export function isDatabaseRefusing(thrown: unknown): boolean {
  return someCause(thrown, (error, code) => REFUSING_STATE.test(code) || error.message.startsWith("SASL: "));
}

/** Of an error, of what caused it, and of those that it gathers. */
function someCause(
  thrown: unknown,
  matches: (error: NodeJS.ErrnoException, code: string) => boolean,
  depth = 0,
): boolean {
  if (!(thrown instanceof Error) || depth > MAX_DEPTH) return false;
  if (matches(thrown, String((thrown as { code?: unknown }).code ?? ""))) return true;
  const others = thrown instanceof AggregateError ? [...thrown.errors, thrown.cause] : [thrown.cause];
  return others.some((other) => someCause(other, matches, depth + 1));
}
