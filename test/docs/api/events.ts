/** Chapters "Events" and "Errors". */
import { MAX_EVENT_FOLLOWERS, MAX_EVENT_FOLLOWERS_OF_KEY } from "../../../api/events/followers.ts";
import { SETTLE_MS } from "../../../api/events/routes.ts";
import { KEEP_ALIVE_MS } from "../../../api/logs/follow.ts";
import { GROUP_HOURS, MAX_GROUP_MESSAGE_CHARS } from "../../../core/domain/error-groups.ts";
import { MAX_GROUPS, MAX_ORIGINS, MAX_SAMPLES } from "../../../core/store/errors/groups.ts";
import { held, n, type Statement } from "./statement.ts";

const EVENTS = "api/events/events.test.ts";
const FOLLOW = "api/events/follow.test.ts";
const FOLD = "core/store/errors/fold-errors.test.ts";

export const EVENT_STATEMENTS: Statement[] = [
  held(
    "Only keys with the scope admin see these events, and only operators those about namespaces (in default)",
    [
      "api/events/audit-events.test.ts",
      "who may not read the audit log sees none, and cannot tell that there are any",
    ],
  ),
  held("for administrators changes made through the API, as CloudEvents (1.0), oldest first", [
    EVENTS,
    "an event is a CloudEvent that names its run, its task and what went wrong",
  ]),
  held(
    `A page includes the changes of requests answered before it, unless waiting for them would take longer than ${SETTLE_MS} ms`,
    [EVENTS, "a page does not pass by a transaction that is under way, and does not wait for it for long"],
  ),
  held(
    `A quiet stream sends an empty line or a comment every ${KEEP_ALIVE_MS / 1_000} seconds, and one whose key is revoked or expires ends within a second`,
    [FOLLOW, "a quiet stream says every 15 s that it is there"],
    [FOLLOW, "a reader whose key is not valid any more is let go at once, and his key is watched no longer"],
  ),
  held(
    `A key may have ${MAX_EVENT_FOLLOWERS_OF_KEY} streams of events open at an API process, and a process ${MAX_EVENT_FOLLOWERS}; the next is a 429 too_many_followers`,
    [EVENTS, "a key has so many streams and no more; one that is left makes room"],
    [
      "api/logs/followers.test.ts",
      "a key has so many places, and so has the process; whoever leaves makes room",
    ],
  ),
  held(
    `cut to ${MAX_GROUP_MESSAGE_CHARS} characters; sampleRunIds are the newest ${MAX_SAMPLES};`,
    [FOLD, "a herd is counted exactly by several at once"],
    ["core/domain/error-groups.test.ts", "a message as long as it likes takes no time, and is cut"],
  ),
  held(`in each of the last ${GROUP_HOURS} hours, the oldest first`, [
    "core/domain/error-groups.test.ts",
    "the last hours are listed, those without a count among them",
  ]),
  held(`which match the last ${MAX_ORIGINS} functions and tasks of the group`, [
    FOLD,
    "groups are found by their state, and by functions and tasks whose runs failed so",
  ]),
  held(`A namespace keeps ${n(MAX_GROUPS)} groups; beyond that the groups`, [
    FOLD,
    "a namespace keeps so many groups: the newest, and those that are ignored",
  ]),
];
