/** The group `errors`: what fails, grouped. */
import type { Command } from "commander";
import { unwrap } from "../../client/client.ts";
import { type Arguments, addExamples, addGroup, collect, withSession } from "../command.ts";
import { collectPages, LIMIT_OPTION } from "../pages.ts";
import type { Cli, Session } from "../session.ts";
import { formatFromNow } from "../terminal/time.ts";
import { withoutGaps } from "../without-gaps.ts";

interface ListOptions {
  state?: ("open" | "resolved" | "ignored")[];
  function?: string;
  task?: string;
  limit: number;
}

export function addErrors(program: Command, cli: Cli): void {
  const errors = addGroup(program, "errors", "failures, grouped by what they have in common");
  addExamples(
    errors
      .command("list", { isDefault: true })
      .description("list the groups, most recently seen first")
      .option("--state <state>", "open, resolved or ignored; may be repeated", collect)
      .option("--function <function>", "of this function")
      .option("--task <task>", "of this task")
      .option(...LIMIT_OPTION)
      .action(withSession<ListOptions>(cli, listErrors)),
    "errors list --state open",
  );
  for (const [action, description] of [
    ["resolve", "mark it as fixed: it opens again if it recurs"],
    ["ignore", "keep counting it, but do not list it as open"],
  ] as const)
    addExamples(
      errors
        .command(`${action} <fingerprint>`)
        .description(description)
        .action(
          withSession<object>(cli, async ({ client, out }, [fingerprint]) => {
            const params = { path: { fingerprint: fingerprint! } };
            const path = `/v1/errors/{fingerprint}/${action}` as "/v1/errors/{fingerprint}/resolve";
            const group = await unwrap(client.POST(path, { params }));
            out.answer(group, () => out.line(`${group.code}: ${group.state}`));
          }),
        ),
      `errors ${action} 5f2c1e0b9a7d4c3f8e6b1a2d3c4f5e60`,
    );
}

async function listErrors({ client, out, now }: Session, _: Arguments, options: ListOptions): Promise<void> {
  const { state, function: fn, task, limit } = options;
  const filter = withoutGaps({ state, function: fn, taskId: task });
  const page = await collectPages(limit, (query) =>
    unwrap(client.GET("/v1/errors", { params: { query: { ...filter, ...query } } })),
  );
  out.answer(page, ({ items }) =>
    out.table(
      items,
      [
        { title: "FINGERPRINT", text: ({ fingerprint }) => fingerprint },
        { title: "STATE", text: (group) => group.state },
        { title: "COUNT", text: ({ count }) => count, align: "right" },
        { title: "LAST SEEN", text: ({ lastSeenAt }) => formatFromNow(lastSeenAt, now()) },
        { title: "CODE", text: ({ code }) => code, paint: (text) => out.style.red(text) },
        { title: "MESSAGE", text: ({ message }) => message, shrinks: true },
        { title: "NEWEST RUN", text: ({ sampleRunIds }) => sampleRunIds[0] },
      ],
      "Nothing fails.",
    ),
  );
}
