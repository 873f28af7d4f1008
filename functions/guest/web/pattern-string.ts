/** Constructor strings of the URL pattern standard. */
import {
  type ComponentName,
  canonicalize,
  type PatternInit,
  PLAIN_OPTIONS,
  SPECIAL_SCHEMES,
} from "./pattern-init.ts";
import { compileComponent } from "./pattern-parts.ts";
import { type Token, tokenize } from "./pattern-tokens.ts";

type State = "init" | "authority" | "done" | ComponentName;

const BEFORE_HOSTNAME: State[] = ["protocol", "authority", "username", "password"];
const BEFORE_PATHNAME: State[] = [...BEFORE_HOSTNAME, "hostname", "port"];
const BEFORE_SEARCH: State[] = [...BEFORE_PATHNAME, "pathname"];

/** Takes a constructor string apart at the places where a URL has them. */
class ConstructorStringParser {
  readonly #input: string;
  readonly #tokens: Token[];
  readonly result: PatternInit = {};
  #state: State = "init";
  #start = 0;
  #at = 0;
  #step = 1;
  #groupDepth = 0;
  #bracketDepth = 0;
  #isSpecial = false;

  constructor(input: string) {
    this.#input = input;
    this.#tokens = tokenize(input, "lenient");
  }

  parse(): PatternInit {
    for (; this.#at < this.#tokens.length; this.#at += this.#step) {
      this.#step = 1;
      const { type } = this.#tokens[this.#at]!;
      if (type === "end") {
        if (this.#state === "init") {
          this.#rewind();
          if (this.#is("#")) this.#change("hash", 1);
          else if (this.#isSearchStart()) this.#change("search", 1);
          else this.#change("pathname", 0);
          continue;
        }
        if (this.#state === "authority") {
          this.#rewind("hostname");
          continue;
        }
        this.#change("done", 0);
        break;
      }
      if (type === "open") {
        this.#groupDepth++;
        continue;
      }
      if (this.#groupDepth > 0) {
        if (type !== "close") continue;
        this.#groupDepth--;
      }
      this.#look();
    }
    if (this.result.hostname !== undefined) this.result.port ??= "";
    return this.result;
  }

  #look(): void {
    switch (this.#state) {
      case "init":
        if (this.#is(":")) this.#rewind("protocol");
        return;
      case "protocol":
        if (this.#is(":")) this.#leaveProtocol();
        return;
      case "authority":
        if (this.#is("@")) this.#rewind("username");
        else if (this.#is("/") || this.#isSearchStart() || this.#is("#")) this.#rewind("hostname");
        return;
      case "username":
        if (this.#is(":")) this.#change("password", 1);
        else if (this.#is("@")) this.#change("hostname", 1);
        return;
      case "password":
        if (this.#is("@")) this.#change("hostname", 1);
        return;
      case "hostname":
        if (this.#is("[")) this.#bracketDepth++;
        else if (this.#is("]")) this.#bracketDepth--;
        else if (this.#is(":") && this.#bracketDepth === 0) this.#change("port", 1);
        else this.#lookBeyondHost();
        return;
      case "port":
        this.#lookBeyondHost();
        return;
      case "pathname":
        if (this.#isSearchStart()) this.#change("search", 1);
        else if (this.#is("#")) this.#change("hash", 1);
        return;
      case "search":
        if (this.#is("#")) this.#change("hash", 1);
    }
  }

  #lookBeyondHost(): void {
    if (this.#is("/")) this.#change("pathname", 0);
    else if (this.#isSearchStart()) this.#change("search", 1);
    else if (this.#is("#")) this.#change("hash", 1);
  }

  #leaveProtocol(): void {
    const { expression } = compileComponent(this.#text(), canonicalize.protocol, PLAIN_OPTIONS);
    this.#isSpecial = SPECIAL_SCHEMES.some((scheme) => expression.test(scheme));
    if (this.#is("/", 1) && this.#is("/", 2)) this.#change("authority", 3);
    else this.#change(this.#isSpecial ? "authority" : "pathname", 1);
  }

  /** Whether a token stands for the character itself. */
  #is(character: string, ahead = 0): boolean {
    const token = this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)]!;
    return token.value === character && /^(?:char|escaped-char|invalid-char)$/.test(token.type);
  }

  #isSearchStart(): boolean {
    if (this.#is("?")) return true;
    if (this.#tokens[this.#at]!.value !== "?") return false;
    const before = this.#tokens[this.#at - 1];
    return !before || !/^(?:name|regexp|close|asterisk)$/.test(before.type);
  }

  #text(): string {
    return this.#input.slice(this.#tokens[this.#start]!.index, this.#tokens[this.#at]!.index);
  }

  #rewind(state?: State): void {
    this.#at = this.#start;
    this.#step = 0;
    if (state) this.#state = state;
  }

  #change(state: State, skip: number): void {
    const from = this.#state;
    const { result } = this;
    if (from !== "init" && from !== "authority" && from !== "done") result[from] = this.#text();
    if (from !== "init" && state !== "done") {
      const isBeyond = (states: State[]) => states.includes(state);
      if (BEFORE_HOSTNAME.includes(from) && isBeyond(["port", "pathname", "search", "hash"]))
        result.hostname ??= "";
      if (BEFORE_PATHNAME.includes(from) && isBeyond(["search", "hash"])) {
        result.pathname ??= this.#isSpecial ? "/" : "";
      }
      if (BEFORE_SEARCH.includes(from) && state === "hash") result.search ??= "";
    }
    this.#state = state;
    this.#at += skip;
    this.#start = this.#at;
    this.#step = 0;
  }
}

export function parseConstructorString(input: string): PatternInit {
  return new ConstructorStringParser(input).parse();
}
