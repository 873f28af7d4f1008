/** Codes of the program's own, as `--json` tells them: code → [what it means, what to do]. Others are the API's. */
export const CLI_CODES = {
  bulk_incomplete: [
    "A bulk action failed for some, or was stopped.",
    "The lines above name them; `bellhop bulk list` shows the action.",
  ],
  failed: ["It did not work, and there is no code of its own for it.", "The message says why."],
  local_instance: [
    "The Bellhop that `dev` runs did not start, or has ended.",
    "Its last lines stand below the message.",
  ],
  no_answer: [
    "The API has not answered for five minutes, as long as a request waits.",
    "What was asked may be under way: `bellhop runs list`, or `invoke --async` from the start.",
  ],
  no_profile: [
    "There is no profile of that name.",
    "`bellhop profiles` lists those there are; `bellhop login --profile NAME` makes one.",
  ],
  no_project: [
    "`dev` finds no checkout of Bellhop to run.",
    "Set `BELLHOP_HOME` to one, and run `npm start` there once.",
  ],
  not_confirmed: [
    "The question was not answered with yes; nothing was changed.",
    "Answer `y`, or give `--yes`.",
  ],
  not_signed_in: [
    "No profile and no environment says where the API is.",
    "`bellhop login`, or set `BELLHOP_URL` and `BELLHOP_API_KEY`.",
  ],
  secrets_missing: [
    "`apply` names secrets that are not there; nothing was changed.",
    "`bellhop secrets set NAME` for each, then apply again.",
  ],
  type_errors: [
    "The project's own TypeScript finds type errors; nothing was deployed.",
    "Mend the lines that stand below the message, or deploy with `--no-check`.",
  ],
  unhealthy: ["A check of `doctor` failed.", "Its line says what to do."],
  unknown: ["Something answered that is not Bellhop's API.", "Check the address; a proxy may stand between."],
  unreachable: ["Nobody answers at the address.", "Start it, or check the address: `bellhop doctor`."],
  usage: [
    "The command line is wrong, or a question cannot be asked without a terminal.",
    "`--help` of the command shows how it is used.",
  ],
} as const satisfies Record<string, readonly [meaning: string, remedy: string]>;
