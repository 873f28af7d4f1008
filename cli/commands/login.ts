/** Signing in and out, and the profiles that are signed in. */
import type { Command } from "commander";
import { unwrap } from "../../client/client.ts";
import { addExamples, addGroup, type GlobalOptions, withOutput, withSession } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { Failure, usageFailure } from "../failure.ts";
import {
  checkProfileName,
  DEFAULT_PROFILE,
  namedProfile,
  profilesPath,
  readProfiles,
  writeProfiles,
} from "../profiles.ts";
import { type Cli, openSession, type Session } from "../session.ts";
import { isReadableOnTheWay, normalizeUrl } from "../target.ts";
import type { Output } from "../terminal/output.ts";
import { ask, askSecret, canAsk, readStdin } from "../terminal/prompt.ts";

const LOCAL_URL = "http://127.0.0.1:8080";

export function addLogin(program: Command, cli: Cli): void {
  addExamples(
    program
      .command("login")
      .description("sign in: check a key and store it in a profile")
      .action(withOutput<object>(cli, (out, _args, options) => login(cli, out, options))),
    "login",
    "login --url http://127.0.0.1:8080 < .bellhop/api-key",
    "login --profile staging --url https://bellhop.example.com",
  );
  addExamples(
    program
      .command("logout")
      .description("forget the key of a profile; the key stays valid")
      .action(withOutput<object>(cli, (out, _args, options) => logout(cli, out, options))),
    "logout --profile staging",
  );
  addExamples(
    program
      .command("whoami")
      .description("show whose key this is, where it acts and what it may do")
      .action(withSession<object>(cli, whoAmI)),
    "whoami",
  );
  const profiles = addGroup(program, "profiles", "where you are signed in");
  addExamples(
    profiles
      .command("list", { isDefault: true })
      .description("list the profiles")
      .action(withOutput<object>(cli, (out) => listProfiles(cli, out))),
    "profiles list",
  );
  addExamples(
    profiles
      .command("use <profile>")
      .description("make another profile the current one")
      .action(withOutput<object>(cli, (out, [name]) => chooseProfile(cli, out, name!))),
    "profiles use staging",
  );
}

async function login(cli: Cli, out: Output, options: GlobalOptions): Promise<void> {
  const name = checkProfileName(namedProfile(options, cli.env) ?? DEFAULT_PROFILE);
  const url = normalizeUrl(options.url ?? cli.env["BELLHOP_URL"] ?? (await askUrl(cli)));
  if (isReadableOnTheWay(url)) out.note(`${url} is not encrypted: whoever is on the way can read the key.`);
  const key = await readKey(cli, url);
  const { namespace } = options;
  const session = openSession(cli, { url, key, namespace, profile: name }, out);
  const caller = await unwrap(session.client.GET("/v1/whoami"));
  const before = await readProfiles(cli.env);
  const profile = { url, key, ...(namespace === undefined ? {} : { namespace }) };
  await writeProfiles(cli.env, { current: name, profiles: { ...before.profiles, [name]: profile } });
  out.answer({ profile: name, url, ...caller }, () => {
    out.line(`Signed in at ${url} as ${caller.key.name}, namespace ${caller.namespace}.`);
    out.note(out.noteStyle.dim(`The key is in ${profilesPath(cli.env)}, which only you can read.`));
  });
}

async function askUrl({ asking }: Cli): Promise<string> {
  const answer = await ask(asking, `Address [${LOCAL_URL}]: `, "Pass --url, or set BELLHOP_URL.");
  return answer.trim() || LOCAL_URL;
}

const KEY = /^bh_[\x21-\x7e]{1,200}$/;
/** A JWT of the installation's OpenID provider. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** As an answer that is not shown, or from stdin where that is no terminal; else from the environment. */
async function readKey({ env, asking }: Cli, url: string): Promise<string> {
  const given = canAsk(asking)
    ? await askSecret(asking, `Key for ${url}: `, "")
    : asking.stdin.isTTY
      ? ""
      : await readStdin(asking.stdin);
  const text = given.trim() || (env["BELLHOP_API_KEY"]?.split(",")[0] ?? "");
  const key = text.trim();
  if (KEY.test(key) || TOKEN.test(key)) return key;
  throw usageFailure(
    key === "" ? "No key was given." : "This is neither a key, which begins with bh_, nor a token.",
    "Pass it on stdin (bellhop login < file), or set BELLHOP_API_KEY. npm start stores its own in .bellhop/api-key.",
  );
}

async function logout(cli: Cli, out: Output, options: GlobalOptions): Promise<void> {
  const { current, profiles } = await readProfiles(cli.env);
  const name = namedProfile(options, cli.env) ?? current;
  if (!Object.hasOwn(profiles, name))
    throw new Failure(`There is no profile ${JSON.stringify(name)}.`, {
      exitCode: EXIT.notFound,
      code: "not_found",
    });
  const { [name]: _, ...others } = profiles;
  const next = current === name ? (Object.keys(others)[0] ?? DEFAULT_PROFILE) : current;
  await writeProfiles(cli.env, { current: next, profiles: others });
  out.answer({ profile: name }, () =>
    out.line(`The key of ${name} is forgotten here, but stays valid. To revoke it, use bellhop keys revoke.`),
  );
}

async function whoAmI(session: Session): Promise<void> {
  const { client, target, out } = session;
  const caller = await unwrap(client.GET("/v1/whoami"));
  const where = { url: target.url, profile: target.profile ?? null };
  out.answer({ ...where, ...caller }, ({ namespace, key, scopes }) =>
    out.facts([
      ["api", target.url],
      ["profile", target.profile ?? "none: the environment"],
      ["namespace", namespace],
      ["key", `${key.name} (${key.id})`],
      ["scopes", scopes.join(", ")],
      ["functions", key.functions?.join(", ")],
      ["expires", key.expiresAt ?? "never"],
    ]),
  );
}

async function listProfiles(cli: Cli, out: Output): Promise<void> {
  const { current, profiles } = await readProfiles(cli.env);
  const items = Object.entries(profiles).map(([name, { url, namespace }]) => ({
    ...{ name, url, namespace: namespace ?? null, current: name === current },
  }));
  out.answer({ items }, () =>
    out.table(
      items,
      [
        { title: "", text: (each) => (each.current ? "*" : " ") },
        { title: "PROFILE", text: ({ name }) => name },
        { title: "ADDRESS", text: ({ url }) => url },
        { title: "NAMESPACE", text: ({ namespace }) => namespace },
      ],
      "You are signed in nowhere: bellhop login",
    ),
  );
}

async function chooseProfile(cli: Cli, out: Output, name: string): Promise<void> {
  const { profiles } = await readProfiles(cli.env);
  if (!Object.hasOwn(profiles, name))
    throw new Failure(`There is no profile ${JSON.stringify(name)}.`, {
      ...{ exitCode: EXIT.notFound, code: "not_found", hint: "bellhop profiles list shows the profiles." },
    });
  await writeProfiles(cli.env, { current: name, profiles });
  out.answer({ current: name }, () => out.line(`${name} is the current profile.`));
}
