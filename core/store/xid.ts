/**
 * The order in which transactions change things. A clock does not give it: a transaction may write an instant and commit
 * long after others with later ones, and whoever has read past them would never see it. What carries the number of the
 * transaction that wrote it can be read up to the oldest one that is still under way: below that nothing more comes.
 *
 * A transaction may write a number above its own (`atLeastAfter`), never one below: until it has ended, nobody reads as
 * far as its own. Numbers are the server's: poolers and the connections behind them make no difference.
 */

/** SQL, a bigint: the transaction that writes. */
export const CURRENT_XID = "pg_current_xact_id()::text::bigint";

/** The same, and not before what these say that happened before; nulls do not count. */
export const atLeastAfter = (...earlier: string[]) => `greatest(${[CURRENT_XID, ...earlier].join(", ")})`;

/** SQL, a bigint: whatever carries a number below it is there to be seen, and all of it. */
export const COMPLETE_BELOW = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint";

/** SQL, a bigint: whatever is visible carries a number below it. */
export const NEXT_XID = "pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
