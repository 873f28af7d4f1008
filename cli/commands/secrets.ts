/** The group `secrets`: names are shown, values never. */
import type { Command } from "commander";
import { unwrap } from "../../client/client.ts";
import { type Arguments, addExamples, addGroup, withSession } from "../command.ts";
import { confirmOrFail, YES_OPTION } from "../confirming.ts";
import { usageFailure } from "../failure.ts";
import type { Cli, Session } from "../session.ts";
import { askSecret, canAsk, readStdin } from "../terminal/prompt.ts";
import { formatInstant } from "../terminal/time.ts";

interface Options {
  function?: string;
  yes?: boolean;
}

const OF_FUNCTION = ["--function <function>", "of this function instead of the namespace"] as const;

export function addSecrets(program: Command, cli: Cli): void {
  const secrets = addGroup(
    program,
    "secrets",
    "secrets of functions and tasks: their names, never their values",
  );
  addExamples(
    secrets
      .command("list", { isDefault: true })
      .description("list the names")
      .option(...OF_FUNCTION)
      .action(withSession<Options>(cli, listSecrets)),
    "secrets list",
    "secrets list --function hello",
  );
  addExamples(
    secrets
      .command("set <name>")
      .description("set a secret; prompts for its value, or reads it from stdin")
      .option(...OF_FUNCTION)
      .action(withSession<Options>(cli, setSecret)),
    "secrets set API_TOKEN",
    "secrets set API_TOKEN --function hello < token.txt",
  );
  addExamples(
    secrets
      .command("remove <name>")
      .description("remove a secret")
      .option(...OF_FUNCTION)
      .option(...YES_OPTION)
      .action(withSession<Options>(cli, removeSecret)),
    "secrets remove API_TOKEN --yes",
  );
}

async function listSecrets({ client, out }: Session, _: Arguments, { function: fn }: Options): Promise<void> {
  const page =
    fn === undefined
      ? await unwrap(client.GET("/v1/secrets"))
      : await unwrap(client.GET("/v1/functions/{name}/secrets", { params: { path: { name: fn } } }));
  out.answer(page, ({ items }) =>
    out.table(
      items,
      [
        { title: "SECRET", text: ({ name }) => name },
        { title: "SET", text: ({ updatedAt }) => formatInstant(updatedAt) },
      ],
      "There is no secret: bellhop secrets set",
    ),
  );
}

async function setSecret(session: Session, [given]: Arguments, { function: fn }: Options): Promise<void> {
  const { client, out } = session;
  const name = given!;
  const body = { value: await readValue(session, name) };
  const secret =
    fn === undefined
      ? await unwrap(client.PUT("/v1/secrets/{secret}", { params: { path: { secret: name } }, body }))
      : await unwrap(
          client.PUT("/v1/functions/{name}/secrets/{secret}", {
            params: { path: { name: fn, secret: name } },
            body,
          }),
        );
  out.answer(secret, () => out.line(`${name} is set.`));
}

/** Never an argument: others see those. The line break that an editor leaves at the end of a file is no part of it. */
async function readValue({ asking }: Session, name: string): Promise<string> {
  const text = canAsk(asking)
    ? await askSecret(asking, `Value of ${name}: `, "")
    : asking.stdin.isTTY
      ? ""
      : await readStdin(asking.stdin);
  const value = text.replace(/\r?\n$/, "");
  if (value === "")
    throw usageFailure("No value was given.", `Pass it on stdin: bellhop secrets set ${name} < file`);
  return value;
}

async function removeSecret(session: Session, [given]: Arguments, options: Options): Promise<void> {
  const { client, out } = session;
  const [name, fn] = [given!, options.function];
  await confirmOrFail(session, `Remove the secret ${name}?`, options);
  if (fn === undefined)
    await unwrap(client.DELETE("/v1/secrets/{secret}", { params: { path: { secret: name } } }));
  else
    await unwrap(
      client.DELETE("/v1/functions/{name}/secrets/{secret}", {
        params: { path: { name: fn, secret: name } },
      }),
    );
  out.answer({ removed: name }, () => out.line(`${name} is removed.`));
}
