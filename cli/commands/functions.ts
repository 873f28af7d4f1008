/** Functions and their revisions; `deploy`, `invoke`, `logs` and `traffic` stand beside. */
import type { Command } from "commander";
import { type Schemas, unwrap } from "../../client/client.ts";
import { type Arguments, addExamples, addGroup, withSession } from "../command.ts";
import { confirmOrFail, YES_OPTION } from "../confirming.ts";
import { findFunctionUrl } from "../function-url.ts";
import { collectPages, LIMIT_OPTION } from "../pages.ts";
import type { Cli, Session } from "../session.ts";
import { formatBytes, formatInstant } from "../terminal/time.ts";

export function addFunctions(program: Command, cli: Cli): void {
  const functions = addGroup(program, "functions", "functions and their revisions");
  addExamples(
    functions
      .command("list")
      .description("list the functions")
      .option(...LIMIT_OPTION)
      .action(withSession<{ limit: number }>(cli, listFunctions)),
    "functions list",
  );
  addExamples(
    functions
      .command("get <function>")
      .description("show a function: its traffic, tags, settings and limits")
      .action(withSession<object>(cli, getFunction)),
    "functions get hello",
  );
  addExamples(
    functions
      .command("revisions <function>")
      .description("list the revisions of a function, newest first")
      .option(...LIMIT_OPTION)
      .action(withSession<{ limit: number }>(cli, listRevisions)),
    "functions revisions hello",
  );
  addExamples(
    functions
      .command("figures <function>")
      .description("figures of its last runs: cold starts, time, processor, memory")
      .action(withSession<object>(cli, showFigures)),
    "functions figures hello",
  );
  addExamples(
    functions
      .command("remove <function>")
      .description("remove a function; its runs and logs stay readable")
      .option(...YES_OPTION)
      .action(withSession<{ yes?: boolean }>(cli, removeFunction)),
    "functions remove hello --yes",
  );
}

async function listFunctions(
  { client, out }: Session,
  _: Arguments,
  { limit }: { limit: number },
): Promise<void> {
  const page = await collectPages(limit, (query) =>
    unwrap(client.GET("/v1/functions", { params: { query } })),
  );
  out.answer(page, ({ items }) =>
    out.table(
      items,
      [
        { title: "FUNCTION", text: ({ name }) => name, shrinks: true },
        { title: "REVISION", text: ({ revision }) => revision.number, align: "right" },
        { title: "TRAFFIC", text: describeTraffic },
        { title: "TAGS", text: ({ tags }) => Object.keys(tags).join(", ") || undefined, shrinks: true },
        { title: "URL", text: (each) => (each.public ? "public" : "with a key") },
        { title: "UPDATED", text: ({ updatedAt }) => formatInstant(updatedAt) },
      ],
      "There is no function yet: bellhop init, bellhop deploy",
    ),
  );
}

function describeTraffic({ traffic, revision }: Schemas["Function"]): string {
  const shares = Object.keys(traffic).length;
  return shares > 1 ? `${traffic[revision.id] ?? 0} % of ${shares}` : `${traffic[revision.id] ?? 0} %`;
}

async function getFunction(session: Session, [name]: Arguments): Promise<void> {
  const { client, out } = session;
  const found = await unwrap(client.GET("/v1/functions/{name}", { params: { path: { name: name! } } }));
  const url = out.json ? undefined : await findFunctionUrl(session, found.name);
  out.answer(found, ({ revision, traffic, tags, env, public: isPublic, updatedAt }) =>
    out.facts([
      ["function", found.name],
      ["revision", `${revision.number} (${revision.id})`],
      ["entry", revision.entry],
      [
        "traffic",
        Object.entries(traffic)
          .map(([id, share]) => `${id} ${share} %`)
          .join(", "),
      ],
      [
        "tags",
        Object.entries(tags)
          .map(([tag, id]) => `${tag} ${id}`)
          .join(", "),
      ],
      [
        "limits",
        Object.entries(revision.limits)
          .map(([limit, value]) => `${limit} ${value ?? "none"}`)
          .join(", "),
      ],
      ["env", Object.keys(env).join(", ")],
      ["url", `${url} (${isPublic ? "public" : "with a key"})`],
      ["updated", formatInstant(updatedAt)],
    ]),
  );
}

async function listRevisions(
  { client, out }: Session,
  [name]: Arguments,
  { limit }: { limit: number },
): Promise<void> {
  const path = { name: name! };
  const page = await collectPages(limit, (query) =>
    unwrap(client.GET("/v1/functions/{name}/revisions", { params: { path, query } })),
  );
  out.answer(page, ({ items }) =>
    out.table(
      items,
      [
        { title: "REVISION", text: ({ number }) => number, align: "right" },
        { title: "TRAFFIC", text: ({ percent }) => `${percent} %`, align: "right" },
        { title: "TAGS", text: ({ tags }) => tags.join(", ") || undefined, shrinks: true },
        { title: "ENTRY", text: ({ entry }) => entry, shrinks: true },
        { title: "COLD START", text: ({ coldStartMs }) => formatMs(coldStartMs), align: "right" },
        { title: "DEPLOYED", text: ({ createdAt }) => formatInstant(createdAt) },
        { title: "ID", text: ({ id }) => id },
      ],
      "There is no revision.",
    ),
  );
}

const formatMs = (ms: number | null): string | undefined => (ms === null ? undefined : `${ms.toFixed(1)} ms`);

type Figures = Schemas["FunctionFigures"];

async function showFigures({ client, out }: Session, [name]: Arguments): Promise<void> {
  const params = { path: { name: name! } };
  const found = await unwrap(client.GET("/v1/functions/{name}/figures", { params }));
  out.answer(found, ({ runs, since, succeeded, cold, warm, ...spreads }) => {
    if (runs === 0) return out.line("The function has not run yet.");
    out.facts([
      ["last runs", `${runs}, since ${formatInstant(since!)}, ${succeeded} succeeded`],
      ["isolates", `${cold} cold, ${warm} warm`],
      ["cold start", describeSpread(spreads.coldStartMs, formatMs)],
      ["duration", describeSpread(spreads.durationMs, formatMs)],
      ["processor", describeSpread(spreads.cpuMs, formatMs)],
      ["memory held", describeSpread(spreads.heldBytes, formatBytes)],
    ]);
  });
}

function describeSpread(
  spread: Figures["cpuMs"],
  format: (value: number) => string | undefined,
): string | undefined {
  if (spread === null) return undefined;
  return `${format(spread.median)}, 95 % within ${format(spread.p95)}, at most ${format(spread.max)}`;
}

async function removeFunction(
  session: Session,
  [name]: Arguments,
  options: { yes?: boolean },
): Promise<void> {
  const { client, out } = session;
  await confirmOrFail(session, `Remove the function ${name}?`, options);
  await unwrap(client.DELETE("/v1/functions/{name}", { params: { path: { name: name! } } }));
  out.answer({ removed: name }, () => out.line(`${name} is removed.`));
}
