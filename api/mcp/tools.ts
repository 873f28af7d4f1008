/**
 * The tools of the MCP server: what each is for, and the operation that it asks. What it takes is what that operation takes
 * (describe-tools.ts), and what it may do is up to the caller's key.
 */
export interface Tool {
  name: string;
  title: string;
  description: string;
  operationId: string;
  /** It ends or replaces something, or runs what may. */
  isDestructive?: true;
  /** Done twice it comes to the same. What only reads always does. */
  isIdempotent?: true;
  /** What it starts may call, or write to, others. */
  reachesOutside?: true;
  /** Parameters of the operation that it does without. */
  without?: readonly string[];
  /** The argument that is the whole body; left out, the body's fields are arguments of their own. */
  bodyAs?: string;
}

const TASKS: Tool[] = [
  {
    name: "list_tasks",
    title: "List tasks",
    description:
      "Lists tasks (scheduled HTTP calls, e-mails and functions), newest first, or those that match.",
    operationId: "listTasks",
  },
  {
    name: "get_task",
    title: "Get a task",
    description: "Shows a task with its schedule, its policy, its state and its next instant.",
    operationId: "getTask",
  },
  {
    name: "preview_schedule",
    title: "Preview a schedule",
    description:
      "Shows in words and instants when a schedule would fire, without creating anything. Try a schedule here before you create a task with it.",
    operationId: "previewSchedule",
  },
  {
    name: "create_task",
    title: "Create a task",
    description:
      'Creates a task: an HTTP call (`type` http, with `url`), an e-mail (email, with `to` and `subject`), or a call of a deployed function (function, with `function` and `input`). `schedule` says when, such as {"cron": "0 9 * * 1-5", "timezone": "Europe/Rome"}, {"every": "15m"}, {"at": "2026-12-01T09:00:00Z"} or {"delay": "10m"}; without one it runs once, at once. A `key` names the task permanently, and ensures that there is only one.',
    operationId: "createTask",
    reachesOutside: true,
  },
  {
    name: "change_task",
    title: "Change a task",
    description: "Changes fields of a task, named by its id or key; the others stay as they are.",
    operationId: "changeTask",
    bodyAs: "changes",
    isDestructive: true,
    isIdempotent: true,
    reachesOutside: true,
  },
  {
    name: "pause_task",
    title: "Pause a task",
    description: "Stops a task's schedule from firing until the task is resumed.",
    operationId: "pauseTask",
    isIdempotent: true,
  },
  {
    name: "resume_task",
    title: "Resume a task",
    description: "Resumes a paused task.",
    operationId: "resumeTask",
    isIdempotent: true,
    reachesOutside: true,
  },
  {
    name: "cancel_task",
    title: "Cancel a task",
    description: "Ends a task for good: it no longer fires. Its runs stay readable.",
    operationId: "cancelTask",
    isDestructive: true,
    isIdempotent: true,
  },
  {
    name: "run_task",
    title: "Run a task now",
    description:
      "Creates a run of a task now, in addition to its schedule, and returns the run as it begins. Call get_run until its state is final: succeeded, failed, dead, cancelled or expired.",
    operationId: "runTask",
    isDestructive: true,
    reachesOutside: true,
  },
  {
    name: "list_upcoming",
    title: "List upcoming runs",
    description: "Lists the next times at which tasks will run, soonest first.",
    operationId: "listUpcoming",
  },
];

const RUNS: Tool[] = [
  {
    name: "list_runs",
    title: "List runs",
    description:
      "Lists runs (of tasks and of calls of functions), newest first, or those that match, such as those of a task, of a function or in certain states.",
    operationId: "listRuns",
  },
  {
    name: "get_run",
    title: "Get a run",
    description: "Shows a run with its state, its attempts, and its result or error.",
    operationId: "getRun",
  },
  {
    name: "read_run_log",
    title: "Read a run's log",
    description: "Reads the log lines of a run, oldest first.",
    operationId: "listRunLogs",
  },
  {
    name: "cancel_run",
    title: "Cancel a run",
    description: "Ends a waiting or active run.",
    operationId: "cancelRun",
    isDestructive: true,
    isIdempotent: true,
  },
  {
    name: "replay_run",
    title: "Replay a run",
    description: "Creates a new run with the input of an earlier one, or with another input.",
    operationId: "replayRun",
    isDestructive: true,
    reachesOutside: true,
  },
];

const ERRORS: Tool[] = [
  {
    name: "list_errors",
    title: "List grouped errors",
    description:
      "Lists failures grouped by cause, most recently seen first, each with how often it happened and a run that shows it. Begin here when something fails.",
    operationId: "listErrors",
  },
  {
    name: "resolve_error",
    title: "Resolve an error",
    description: "Marks a group of errors as fixed; it opens again if it recurs.",
    operationId: "resolveError",
    isIdempotent: true,
  },
  {
    name: "list_dead_letters",
    title: "List dead letters",
    description: "Lists runs whose last attempt failed and that wait to be redriven or discarded.",
    operationId: "listDeadLetters",
  },
  {
    name: "redrive_dead_letter",
    title: "Redrive a dead letter",
    description: "Tries a dead letter again, with all its attempts.",
    operationId: "redriveDeadLetter",
    isDestructive: true,
    reachesOutside: true,
  },
];

const FUNCTIONS: Tool[] = [
  {
    name: "list_functions",
    title: "List functions",
    description: "Lists the deployed functions, newest first.",
    operationId: "listFunctions",
  },
  {
    name: "get_function",
    title: "Get a function",
    description: "Shows a function with its limits, its traffic, its tags and its leading revision.",
    operationId: "getFunction",
  },
  {
    name: "list_revisions",
    title: "List a function's revisions",
    description: "Lists a function's revisions, newest first.",
    operationId: "listRevisions",
  },
  {
    name: "read_revision",
    title: "Read a revision",
    description:
      "Shows a revision of a function with its files, and with `source` true their code. get_function names the leading revision.",
    operationId: "getRevision",
  },
  {
    name: "deploy_function",
    title: "Deploy a function",
    description:
      'Deploys TypeScript or JavaScript as a new revision, which gets the traffic unless `traffic` is 0: one `source`, or `files` with their `entry`. The default export is called with the input and a context: `export default async (input, ctx) => { ctx.log.info("hello"); return { ok: true }; };`. `fetch` and the web API are available; `ctx.env` has settings and secrets. Build errors come with their lines.',
    operationId: "deployFunction",
    isDestructive: true,
    isIdempotent: true,
  },
  {
    name: "roll_back_function",
    title: "Roll a function back",
    description: "Restores a function's previous traffic, or gives all of it to one revision.",
    operationId: "rollBackTraffic",
    isDestructive: true,
  },
  {
    name: "invoke_function",
    title: "Call a function",
    description:
      "Calls a function with an input and waits for its result. The response names its run, whose log read_run_log shows.",
    operationId: "invokeFunction",
    bodyAs: "input",
    // They need a caller who does not wait.
    without: ["debounce", "collect"],
    isDestructive: true,
    reachesOutside: true,
  },
  {
    name: "read_function_log",
    title: "Read a function's log",
    description: "Reads the log lines of all runs of a function, newest line first, or those that match.",
    operationId: "readFunctionLogs",
    // A tool's answer is no stream.
    without: ["follow", "after"],
  },
];

const OTHERS: Tool[] = [
  {
    name: "list_queues",
    title: "List queues",
    description: "Lists the queues with their limits and whether they are paused.",
    operationId: "listQueues",
  },
  {
    name: "get_queue",
    title: "Get a queue",
    description: "Shows a queue with its active and waiting runs.",
    operationId: "getQueue",
  },
  {
    name: "list_secret_names",
    title: "List the names of secrets",
    description:
      "Lists the names of the namespace's secrets, which tasks and functions may use. No tool shows or takes a value.",
    operationId: "listSecrets",
  },
  {
    name: "who_am_i",
    title: "Say whose key this is",
    description: "Shows the key's namespace and scopes: what the other tools may do.",
    operationId: "getCaller",
  },
];

export const TOOLS: readonly Tool[] = [...TASKS, ...RUNS, ...ERRORS, ...FUNCTIONS, ...OTHERS];
