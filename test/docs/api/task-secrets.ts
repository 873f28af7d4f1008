/** Chapter "Secrets in tasks". */
import { MAX_TEMPLATES } from "../../../core/domain/secret-templates.ts";
import { held, type Statement } from "./statement.ts";

const ROUTES = "api/tasks/secrets.test.ts";
const RUNNER = "runtime/runners/with-secrets.test.ts";
const SPEC = "core/domain/secrets-in-spec.test.ts";

export const TASK_SECRETS: Statement[] = [
  held(
    "A name that no secret of the namespace has is a 422 unknown_secret that names the field",
    [ROUTES, "a secret that is not there is refused by the field that names it"],
    [ROUTES, "a body that a run is given may name secrets, by who may write tasks"],
  ),
  held("without a name and }} after it is a 422", [
    ROUTES,
    "a template that names nothing, or stands where none may",
  ]),
  held(`A task names secrets in at most ${MAX_TEMPLATES} places`, [
    SPEC,
    "a task names secrets in so many places",
  ]),
  held("A secret that was removed since fails the attempt as secret_not_found", [
    RUNNER,
    "a secret that is not there any more fails the attempt by its name",
  ]),
  held("such as one of several lines, fails it as invalid_request", [
    RUNNER,
    "a header that could not be sent with its secret says so",
  ]),
  held("a body that contains one is not repeated, so that the 307 or 308 is the response", [
    RUNNER,
    "a body that holds one is not repeated to another origin",
  ]),
];
