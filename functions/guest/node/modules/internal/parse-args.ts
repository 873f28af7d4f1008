/** `util.parseArgs`: command lines of tools that also run as functions. Tokens are not told. */

interface OptionConfig {
  type: "boolean" | "string";
  short?: string;
  multiple?: boolean;
  default?: unknown;
}

interface ParseArgsConfig {
  args?: readonly string[];
  options?: Record<string, OptionConfig>;
  strict?: boolean;
  allowPositionals?: boolean;
  allowNegative?: boolean;
}

function fault(code: string, message: string): TypeError {
  return Object.assign(new TypeError(message), { code: `ERR_PARSE_ARGS_${code}` });
}

class Parser {
  readonly values: Record<string, unknown> = Object.create(null);
  readonly positionals: string[] = [];
  readonly #rest: string[];
  readonly #options: Record<string, OptionConfig>;
  readonly #isStrict: boolean;
  readonly #allowsNegative: boolean;

  constructor({ args, options = {}, strict = true, allowNegative = false }: ParseArgsConfig) {
    this.#rest = [...(args ?? process.argv.slice(2))];
    this.#options = options;
    this.#isStrict = strict;
    this.#allowsNegative = allowNegative;
  }

  parse(allowsPositionals: boolean): void {
    for (let arg = this.#rest.shift(); arg !== undefined; arg = this.#rest.shift()) {
      if (arg === "--") this.positionals.push(...this.#rest.splice(0));
      else if (arg.startsWith("--")) this.#takeLong(arg);
      else if (arg.startsWith("-") && arg.length > 1) this.#takeShort(arg);
      else this.positionals.push(arg);
      if (this.positionals.length > 0 && !allowsPositionals) {
        const message = `Unexpected argument '${this.positionals[0]}'. This command does not take positional arguments`;
        throw fault("UNEXPECTED_POSITIONAL", message);
      }
    }
    for (const [name, { default: value }] of Object.entries(this.#options)) {
      if (value !== undefined && !(name in this.values)) this.values[name] = value;
    }
  }

  #configOf(name: string): OptionConfig | undefined {
    return Object.hasOwn(this.#options, name) ? this.#options[name] : undefined;
  }

  #takeLong(arg: string): void {
    const at = arg.indexOf("=");
    const name = arg.slice(2, at === -1 ? undefined : at);
    const given = at === -1 ? undefined : arg.slice(at + 1);
    const isNegative = this.#allowsNegative && given === undefined && name.startsWith("no-");
    if (isNegative && this.#configOf(name) === undefined) this.#set(name.slice(3), false, arg);
    else this.#take(name, given, `--${name}`);
  }

  /** `-a`, several at once as `-abc`, a value behind the last as in `-ovalue`. */
  #takeShort(arg: string): void {
    for (let i = 1; i < arg.length; i++) {
      const letter = arg[i]!;
      const name = Object.keys(this.#options).find((key) => this.#options[key]!.short === letter) ?? letter;
      const rest = arg.slice(i + 1);
      const takesRest = this.#configOf(name)?.type === "string" && rest !== "";
      this.#take(name, takesRest ? rest : undefined, `-${letter}`);
      if (takesRest) return;
    }
  }

  #take(name: string, given: string | undefined, shown: string): void {
    const { type } = this.#configOf(name) ?? {};
    if (type !== "string") {
      if (given !== undefined && type === "boolean" && this.#isStrict)
        throw fault("INVALID_OPTION_VALUE", `Option '${shown}' does not take an argument`);
      this.#set(name, given ?? true, shown);
      return;
    }
    const next = this.#rest[0];
    const value =
      given ?? (next !== undefined && !(this.#isStrict && /^-./.test(next)) ? this.#rest.shift() : undefined);
    if (value === undefined && this.#isStrict)
      throw fault("INVALID_OPTION_VALUE", `Option '${shown} <value>' argument missing`);
    this.#set(name, value ?? true, shown);
  }

  #set(name: string, value: unknown, shown: string): void {
    const config = this.#configOf(name);
    if (config === undefined && this.#isStrict) throw fault("UNKNOWN_OPTION", `Unknown option '${shown}'`);
    if (config?.multiple)
      this.values[name] = [...((this.values[name] as unknown[] | undefined) ?? []), value];
    else this.values[name] = value;
  }
}

function parseArgs(config: ParseArgsConfig = {}) {
  const { strict = true, allowPositionals = !strict } = config;
  const parser = new Parser(config);
  parser.parse(allowPositionals);
  const { values, positionals } = parser;
  return { values, positionals };
}

export default parseArgs;
