/** Chapter "Namespaces and keys". */
import assert from "node:assert/strict";
import { REMEMBER_MS } from "../../../api/auth/keyring.ts";
import { RENEW_STREAMS_EVERY_MS, STREAM_LEASE_MS } from "../../../api/logs/open-streams.ts";
import { readSettings } from "../../../core/config/settings.ts";
import { MAX_KEY_FUNCTIONS, MAX_KEY_NAME_CHARS, MAX_OVERLAP_MS } from "../../../core/contracts/key.ts";
import { MAX_EGRESS_RULES } from "../../../core/contracts/namespace-egress.ts";
import { MAX_AUDITED_CHARS } from "../../../core/domain/audit.ts";
import { MAX_COUNTED } from "../../../core/domain/namespace-limits.ts";
import { MAX_KEYS } from "../../../core/store/manage-keys.ts";
import { MAX_NAMESPACES } from "../../../core/store/namespaces.ts";
import { MEASURE_MS } from "../../../scheduler/measure-stored.ts";
import { GRANTING_MS } from "../../../scheduler/queue-jobs.ts";
import { held, n, type Statement } from "./statement.ts";

const KEYS_TEST = "api/keys/keys.test.ts";
const WHOAMI = "api/keys/whoami.test.ts";

const NAMESPACES_TEST = "api/namespaces/namespaces.test.ts";
const DELETION = "core/store/bulk/delete-namespace.test.ts";

const TOKENS = "api/auth/oidc/tokens.test.ts";
const LIMITS_TEST = "api/namespaces/limits.test.ts";
const STREAMS_TEST = "api/logs/open-streams.test.ts";
const CONCURRENCY_TEST = "core/store/limits/namespace-concurrency.test.ts";
const STORED_TEST = "core/store/stored-bytes.test.ts";
const DAILY_TEST = "core/store/daily-limits.test.ts";
const EGRESS_TEST = "api/namespaces/egress.test.ts";
const AUDIT = "core/domain/audit.test.ts";

export const KEYS: Statement[] = [
  held("a namespace that it is not granted is a 403, whether it exists or not", [
    TOKENS,
    "a token acts where it is granted something, as what it is granted there, and nowhere else",
  ]),
  held("A token that is valid and grants nothing is a 403 forbidden", [
    TOKENS,
    "a token that opens nothing is told so",
  ]),
  held("is a 401 unauthenticated, which says what is wrong", [TOKENS, "what is wrong with a token is told"]),
  held("tokens that cannot be verified are a 503 issuer_unavailable; keys keep working", [
    TOKENS,
    "a provider that is away lets nobody in with a token; keys and public functions go on",
  ]),
  held("has the last word, and what EGRESS_DENY closes stays closed", [
    "core/egress/tenant-rules.test.ts",
    "open nothing that the installation denies",
  ]),
  held(`At most ${MAX_EGRESS_RULES} of each`, [
    EGRESS_TEST,
    "what is no network, no host or too much is refused by its field, and changes nothing",
  ]),
  held("It takes effect within a second, for each request and each redirect from then on", [
    "runtime/namespace-egress.test.ts",
    "rules are read once in 0.9 s for all namespaces, and anew after a bell",
  ]),
  held("A refused request fails as egress_blocked", [
    "test/system/namespace-egress.test.ts",
    "what the namespace may call is obeyed by the next request",
  ]),
  {
    says: "They take effect within a second, and take nothing away",
    holds: () => assert.ok(REMEMBER_MS <= 1_000),
    heldBy: [[LIMITS_TEST, "an operator sets limits, all of them"]],
  },
  {
    says: "It counts up to 100,000 tasks, functions and revisions",
    holds: () => assert.equal(MAX_COUNTED, 100_000),
    heldBy: [[LIMITS_TEST, "what is used is counted no further than so many things, and says so"]],
  },
  held(
    "Beyond tasks, functions and codeBytes a request is a 409 limit_exceeded, whose errors name the limit",
    [LIMITS_TEST, "tasks: no more than there may be that may still fire"],
  ),
  held(
    'the others wait, and say "waitingFor": "concurrency"',
    [LIMITS_TEST, "concurrentRuns: more wait and say so, and start when an operator lets them"],
    [
      CONCURRENCY_TEST,
      "it is exact over workers that meet, and a lost worker's permits are free after the rescue",
    ],
  ),
  held(
    "is the same as a percentage of all workers' slots, 1 to 100: of the slots that exist at the moment, rounded down, and at least one slot",
    [CONCURRENCY_TEST, "a share of the slots follows the workers that come and go"],
    ["core/domain/namespace-limits.test.ts", "runs at once: the share of the slots there are, one at least"],
  ),
  {
    says: "It follows workers that come and go within a second",
    holds: () => assert.ok(GRANTING_MS <= 1_000),
    heldBy: [[CONCURRENCY_TEST, "a share of the slots follows the workers that come and go"]],
  },
  held("While it is set, calls whose callers wait go through the queue", [
    CONCURRENCY_TEST,
    "calls of its functions go through the queue while it is set",
  ]),
  held(
    "A request that would create one too many is a 429 rate_limited, whose errors name the limit, with Retry-After until midnight",
    [LIMITS_TEST, "runsPerDay: whatever makes a run counts it"],
    [DAILY_TEST, "as many are given as are left, and no more, whoever asks at the same moment"],
  ),
  held(
    'with "reason": "limit", so a task with one instant finishes without a run. A bulk action fails for the runs that found no room',
    [DAILY_TEST, "a task that fires once is over with it"],
    [DAILY_TEST, "an instant beyond the limit leaves a record, and its task goes on with the next"],
    [DAILY_TEST, "a bulk action names the runs that found no room"],
  ),
  {
    says: `It is measured, not counted on each write: every ${MEASURE_MS / 1_000} seconds`,
    heldBy: [
      [STORED_TEST, "only namespaces with the limit are measured, and those that had it are forgotten"],
    ],
  },
  held(
    "From then on no run begins, as beyond runsPerDay: a 429 rate_limited with the limit's name, and with Retry-After until the retention has removed enough",
    [STORED_TEST, "a namespace that stores as much as it may begins no run, and is told which limit it is"],
    [STORED_TEST, "where no day that goes makes room, none is named"],
  ),
  held("A schedule's run counts on the day of its instant", [
    DAILY_TEST,
    "what fires at midnight counts on the day that begins",
  ]),
  {
    says: `Streams of a crashed API count for ${STREAM_LEASE_MS / 1_000} seconds more`,
    heldBy: [
      [STREAMS_TEST, "streams of an API that crashed stop counting when their leases are over"],
      [STREAMS_TEST, "an open stream is renewed again and again, also after its lease was over"],
    ],
  },
  held(
    "One too many is a 429 too_many_followers with Retry-After, whose errors name the limit",
    [LIMITS_TEST, "followers: as many streams as may be open at once, of logs and events together"],
    [
      STREAMS_TEST,
      "as many are open at once as may be, over two APIs, also where they open at the same moment",
    ],
  ),
  {
    says: "a namespace's streams are counted to ten seconds",
    holds: () => assert.equal(RENEW_STREAMS_EVERY_MS, 10_000),
    heldBy: [[STREAMS_TEST, "streams of a namespace without a limit are written with a renewal"]],
  },
  held("at each API, per window of 1 second to 1 hour", [
    LIMITS_TEST,
    "what is none is refused by its field",
  ]),
  held('(RateLimit: "requests";r=42;t=17: 42, and one more in 17 seconds)', [
    LIMITS_TEST,
    "requests: a key that asks more often is told how much is left",
  ]),
  held("and one too many is a 429 rate_limited with Retry-After", [
    LIMITS_TEST,
    "requests: a key that asks more often is told how much is left",
  ]),
  {
    says: `They stay for BELLHOP_AUDIT_RETENTION_DAYS (${readSettings(["BELLHOP_AUDIT_RETENTION_DAYS"], {}).BELLHOP_AUDIT_RETENTION_DAYS})`,
    heldBy: [["core/store/audit-log.test.ts", "the retention removes what is older"]],
  },
  held(`For a value of more than ${n(MAX_AUDITED_CHARS)} characters of JSON only the length is shown`, [
    AUDIT,
    "a long value is told by its length",
  ]),
  held(
    `is a 409 namespace_taken, and there are at most ${n(MAX_NAMESPACES)} (409 too_many_namespaces)`,
    [NAMESPACES_TEST, "a name is taken once, also by several at once, and by one that is going"],
    [NAMESPACES_TEST, "there are so many namespaces and no more"],
  ),
  held("and within a second its keys, its functions' URLs and its hooks stop working", [
    NAMESPACES_TEST,
    "a namespace that is being deleted opens to nobody and takes nothing new",
  ]),
  held("it cannot be aborted (409 deletion_not_abortable)", [
    DELETION,
    "a deletion is an operator's to see, and nobody's to abort",
  ]),
  held("for a call that was in progress is deleted within a minute and counted too", [
    DELETION,
    "what is written of a namespace after it is gone goes too, and is in the receipt",
  ]),
  held("The namespace default cannot be deleted: 409 default_namespace", [
    DELETION,
    "default is not deleted, and what nobody has is not there",
  ]),
  held("404 if it does not exist, 409 namespace_closed if it is being deleted", [
    WHOAMI,
    "an operator is told where there is no such namespace, or one that is being deleted",
  ]),
  held("that names another namespace gets a 403, whether that namespace exists or not", [
    WHOAMI,
    "no other key acts elsewhere, and none is told whether there is such a namespace",
  ]),
  held(
    `A name has at most ${MAX_KEY_NAME_CHARS} characters and is not admin; functions names at most ${MAX_KEY_FUNCTIONS}`,
    [KEYS_TEST, "what a key cannot be is refused by its field, and makes nothing"],
  ),
  held(
    "A scope that the caller's own key lacks, or an expiry later than its own, is a 403 that names the field",
    [KEYS_TEST, "nobody gets a key that may do more than his own, or for longer, by making or by rotating"],
  ),
  held(`a namespace has at most ${n(MAX_KEYS)} that are valid (409 too_many_keys)`, [
    "core/store/manage-keys.test.ts",
    "a namespace has so many valid keys and no more",
  ]),
  held("Anything else is a 403, whether the function exists or not", [
    KEYS_TEST,
    "a key for some functions does what its scopes say to them, and nothing else",
  ]),
  held("lastUsedAt is accurate to about a minute", [
    "core/store/keys.test.ts",
    "a key's use is recorded once a minute at most",
  ]),
  held(`overlap, an hour by default and ${MAX_OVERLAP_MS / 86_400_000} days at most`, [
    KEYS_TEST,
    "after a rotation both secrets are the key's, until the overlap is over",
  ]),
  held("Until then another rotation is a 409 key_rotating", [
    KEYS_TEST,
    "a rotation within the overlap of the one before is refused",
  ]),
  held("A key with the scope admin or operator can be rotated only by itself (403)", [
    KEYS_TEST,
    "an admin's or operator's key can only be rotated by itself",
  ]),
  held("a key that is revoked or expired is a 409 key_not_valid", [
    KEYS_TEST,
    "a revoked key is refused, by another API's memory too, and stays in the list",
  ]),
];
