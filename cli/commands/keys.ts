/** The group `keys`: who may do what. */
import type { Command } from "commander";
import { type Schemas, unwrap } from "../../client/client.ts";
import { type Arguments, addExamples, addGroup, collect, withSession } from "../command.ts";
import { confirmOrFail, YES_OPTION } from "../confirming.ts";
import { collectPages, LIMIT_OPTION } from "../pages.ts";
import type { Cli, Session } from "../session.ts";
import { formatFromNow } from "../terminal/time.ts";
import { withoutGaps } from "../without-gaps.ts";

type Scope = Schemas["Key"]["scopes"][number];
interface CreateOptions {
  scope: Scope[];
  function?: string[];
  expires?: string;
}

export function addKeys(program: Command, cli: Cli): void {
  const keys = addGroup(program, "keys", "API keys and what they may do (needs the scope admin)");
  addExamples(
    keys
      .command("list", { isDefault: true })
      .description("list the keys")
      .option(...LIMIT_OPTION)
      .action(withSession<{ limit: number }>(cli, listKeys)),
    "keys list",
  );
  addExamples(
    keys
      .command("create <name>")
      .description("create a key; its secret is printed only once")
      .requiredOption(
        "--scope <scope>",
        "read, write, deploy, invoke, admin or operator; may be repeated",
        collect,
      )
      .option("--function <function>", "only for this function; may be repeated", collect)
      .option("--expires <instant>", "when it expires; default: never")
      .action(withSession<CreateOptions>(cli, createKey)),
    "keys create ci --scope read --scope deploy",
  );
  addExamples(
    keys
      .command("rotate <key>")
      .description("give a key a new secret; the previous one stays valid for a while")
      .option("--overlap <duration>", "how long; default: 1h")
      .action(withSession<{ overlap?: string }>(cli, rotateKey)),
    "keys rotate 01a20a22-ed46-778f-b69a-117fc6f8a959 --overlap 10m",
  );
  addExamples(
    keys
      .command("revoke <key>")
      .description("revoke a key with all its secrets")
      .option(...YES_OPTION)
      .action(withSession<{ yes?: boolean }>(cli, revokeKey)),
    "keys revoke 01a20a22-ed46-778f-b69a-117fc6f8a959 --yes",
  );
}

async function listKeys(
  { client, out, now }: Session,
  _: Arguments,
  { limit }: { limit: number },
): Promise<void> {
  const page = await collectPages(limit, (query) => unwrap(client.GET("/v1/keys", { params: { query } })));
  out.answer(page, ({ items }) =>
    out.table(
      items,
      [
        { title: "KEY", text: ({ id }) => id },
        { title: "NAME", text: ({ name }) => name, shrinks: true },
        { title: "ENDS IN", text: ({ ending }) => ending },
        { title: "SCOPES", text: ({ scopes }) => scopes.join(", ") },
        { title: "FUNCTIONS", text: ({ functions }) => functions?.join(", ") ?? "all", shrinks: true },
        { title: "LAST USED", text: ({ lastUsedAt }) => formatFromNow(lastUsedAt, now()) },
        { title: "STATE", text: (key) => describeKey(key, now()) },
      ],
      "There is no key except the operator's.",
    ),
  );
}

function describeKey({ revokedAt, expiresAt }: Schemas["Key"], now: number): string {
  if (revokedAt !== null) return "revoked";
  if (expiresAt === null) return "valid";
  return Date.parse(expiresAt) <= now ? "expired" : `ends ${formatFromNow(expiresAt, now)}`;
}

async function createKey({ client, out }: Session, [name]: Arguments, options: CreateOptions): Promise<void> {
  const { scope, function: functions, expires } = options;
  const body = { name: name!, scopes: scope, ...withoutGaps({ functions, expiresAt: expires }) };
  showSecret(out, await unwrap(client.POST("/v1/keys", { body })));
}

async function rotateKey(
  { client, out }: Session,
  [id]: Arguments,
  { overlap }: { overlap?: string },
): Promise<void> {
  const params = { path: { id: id! } };
  showSecret(
    out,
    await unwrap(client.POST("/v1/keys/{id}/rotate", { params, body: withoutGaps({ overlap }) })),
  );
}

/** The secret alone on stdout, so that a script can take it. */
function showSecret(out: Session["out"], key: Schemas["ShownKey"]): void {
  out.answer(key, () => {
    out.line(key.key);
    out.note(out.noteStyle.dim(`${key.name} (${key.id}). This is shown only once: save it now.`));
  });
}

async function revokeKey(session: Session, [id]: Arguments, options: { yes?: boolean }): Promise<void> {
  const { client, out } = session;
  await confirmOrFail(session, `Revoke the key ${id}?`, options);
  await unwrap(client.DELETE("/v1/keys/{id}", { params: { path: { id: id! } } }));
  out.answer({ revoked: id }, () => out.line(`${id} is revoked.`));
}
