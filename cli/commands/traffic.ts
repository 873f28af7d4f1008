/** `traffic` and `rollback`: which revisions of a function are called. */
import type { Command } from "commander";
import { type Schemas, unwrap } from "../../client/client.ts";
import { type Arguments, addExamples, addGroup, withSession } from "../command.ts";
import { usageFailure } from "../failure.ts";
import { toWholeNumber } from "../pages.ts";
import type { Cli, Session } from "../session.ts";
import { shown } from "../shown.ts";
import { splitPair } from "./deploy.ts";

type Fn = Schemas["Function"];

export function addTraffic(program: Command, cli: Cli): void {
  const traffic = addGroup(program, "traffic", "which revisions of a function are called, and their tags");
  addExamples(
    traffic
      .command("get <function>")
      .description("show the shares and the tags")
      .action(withSession<object>(cli, getTraffic)),
    "traffic get hello",
  );
  addExamples(
    traffic
      .command("set <function> <shares...>")
      .description("split the traffic: a revision's number or id, and its percent; they must add up to 100")
      .action(withSession<object>(cli, setTraffic)),
    "traffic set hello 2=100",
    "traffic set hello 1=90 2=10",
  );
  addExamples(
    traffic
      .command("tag <function> <tag> <revision>")
      .description("put a tag on a revision")
      .action(withSession<object>(cli, setTag)),
    "traffic tag hello next 2",
  );
  addExamples(
    traffic
      .command("untag <function> <tag>")
      .description("remove a tag")
      .action(withSession<object>(cli, removeTag)),
    "traffic untag hello next",
  );
  addExamples(
    program
      .command("rollback <function> [revision]")
      .description("give all traffic to one revision, or restore the traffic before the last change")
      .action(withSession<object>(cli, rollBack)),
    "rollback hello",
    "rollback hello 1",
  );
}

async function getTraffic(session: Session, [name]: Arguments): Promise<void> {
  await show(
    session,
    await unwrap(session.client.GET("/v1/functions/{name}", { params: { path: { name: name! } } })),
  );
}

async function setTraffic(session: Session, args: Arguments): Promise<void> {
  const [name, given] = args as unknown as [string, string[]];
  const body = Object.fromEntries(given.map((pair) => toShare(pair)));
  const params = { path: { name } };
  await show(session, await shown(session.client.PUT("/v1/functions/{name}/traffic", { params, body })));
}

function toShare(pair: string): [revision: string, percent: number] {
  const [revision, percent] = splitPair(pair, "A share");
  try {
    return [revision, toWholeNumber(percent.replace(/%$/, ""), 0, 100)];
  } catch {
    throw usageFailure(
      `${JSON.stringify(pair)} is no share.`,
      "Write it like 2=10: a revision, and a whole percentage.",
    );
  }
}

async function setTag(session: Session, args: Arguments): Promise<void> {
  const [name, tag, revision] = args as [string, string, string];
  const params = { path: { name, tag } };
  const body = { revision };
  await show(session, await shown(session.client.PUT("/v1/functions/{name}/tags/{tag}", { params, body })));
}

async function removeTag({ client, out }: Session, args: Arguments): Promise<void> {
  const [name, tag] = args as [string, string];
  await unwrap(client.DELETE("/v1/functions/{name}/tags/{tag}", { params: { path: { name, tag } } }));
  out.answer({ function: name, removed: tag }, () => out.line(`${tag} is no tag of ${name} any more.`));
}

async function rollBack(session: Session, args: Arguments): Promise<void> {
  const [name, revision] = args as [string, string | undefined];
  const body = revision === undefined ? {} : { revision };
  const params = { path: { name } };
  await show(session, await shown(session.client.POST("/v1/functions/{name}/rollback", { params, body })));
}

/** With the numbers of the revisions, which people know them by. */
async function show({ client, out }: Session, fn: Fn): Promise<void> {
  const numbers = await readNumbers(client, fn);
  const shares = Object.entries(fn.traffic).map(([id, percent]) => ({
    id,
    number: numbers.get(id) ?? null,
    percent,
  }));
  const tags = Object.entries(fn.tags).map(([tag, id]) => ({ tag, id, number: numbers.get(id) ?? null }));
  out.answer({ function: fn.name, shares, tags }, () => {
    for (const { id, number, percent } of shares) out.line(`revision ${number ?? id}  ${percent} %`);
    for (const { tag, id, number } of tags) out.line(`tag ${tag}  revision ${number ?? id}`);
  });
}

async function readNumbers(client: Session["client"], fn: Fn): Promise<Map<string, number>> {
  const ids = new Set([...Object.keys(fn.traffic), ...Object.values(fn.tags)]);
  const revisions = await Promise.all(
    [...ids].map((id) =>
      unwrap(
        client.GET("/v1/functions/{name}/revisions/{revision}", {
          params: { path: { name: fn.name, revision: id } },
        }),
      ),
    ),
  );
  return new Map(revisions.map(({ id, number }) => [id, number]));
}
