/** Codes of the program's own, as `--json` tells them: code → [what it means, what to do]. Others are the API's. */
export const CLI_CODES = {
  bulk_incomplete: [
    "A bulk action failed for some items, or was aborted.",
    "The lines above name them; `bellhop bulk list` shows the action.",
  ],
  failed: ["The command failed, without a more specific code.", "The message says why."],
  local_instance: [
    "The Bellhop that `dev` runs did not start, or has ended.",
    "Its last lines are below the message.",
  ],
  no_answer: [
    "The API did not respond for five minutes, the maximum wait of a request.",
    "The operation may still be in progress: check `bellhop runs list`, or use `invoke --async` next time.",
  ],
  no_profile: [
    "There is no profile with that name.",
    "`bellhop profiles list` lists the profiles; `bellhop login --profile NAME` creates one.",
  ],
  no_project: [
    "`dev` finds no checkout of Bellhop to run.",
    "Set `BELLHOP_HOME` to one, and run `npm start` there once.",
  ],
  not_confirmed: [
    "The question was not answered with yes; nothing was changed.",
    "Answer `y`, or pass `--yes`.",
  ],
  not_signed_in: [
    "Neither a profile nor the environment says where the API is.",
    "Run `bellhop login`, or set `BELLHOP_URL` and `BELLHOP_API_KEY`.",
  ],
  secrets_missing: [
    "`apply` names secrets that do not exist; nothing was changed.",
    "Run `bellhop secrets set NAME` for each, then apply again.",
  ],
  type_errors: [
    "The project's own TypeScript finds type errors; nothing was deployed.",
    "Fix the lines below the message, or deploy with `--no-check`.",
  ],
  unhealthy: ["A check of `doctor` failed.", "Its line says what to do."],
  unknown: [
    "Something other than Bellhop's API responded.",
    "Check the address; there may be a proxy in between.",
  ],
  unreachable: ["Nothing responds at the address.", "Start it, or check the address: `bellhop doctor`."],
  usage: [
    "The command line is wrong, or a prompt was needed without a terminal.",
    "The command's `--help` shows its usage.",
  ],
} as const satisfies Record<string, readonly [meaning: string, remedy: string]>;
