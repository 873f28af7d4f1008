/** Pattern strings of the URL pattern standard: parsed into parts, and made into expressions and strings again. */
import { isNameCharacter, type Token, type TokenType, tokenize } from "./pattern-tokens.ts";

export interface PatternOptions {
  delimiter: string;
  prefix: string;
  ignoreCase?: boolean;
}

type Modifier = "" | "?" | "*" | "+";

interface Part {
  type: "fixed-text" | "regexp" | "segment-wildcard" | "full-wildcard";
  value: string;
  modifier: Modifier;
  name: string;
  prefix: string;
  suffix: string;
}

export type Encode = (text: string) => string;

export interface Component {
  pattern: string;
  expression: RegExp;
  names: string[];
  hasRegexpGroups: boolean;
}

const ANYTHING = ".*";

function escapeRegexp(text: string): string {
  return text.replace(/[.+*?^${}()[\]|/\\]/g, "\\$&");
}

export function escapePattern(text: string): string {
  return text.replace(/[+*?:{}()\\]/g, "\\$&");
}

function segmentExpression({ delimiter }: PatternOptions): string {
  return `[^${escapeRegexp(delimiter)}]+?`;
}

class PartParser {
  readonly #tokens: Token[];
  readonly #options: PatternOptions;
  readonly #encode: Encode;
  readonly #segment: string;
  readonly parts: Part[] = [];
  #index = 0;
  #pending = "";
  #nextName = 0;

  constructor(input: string, options: PatternOptions, encode: Encode) {
    this.#tokens = tokenize(input, "strict");
    this.#options = options;
    this.#encode = encode;
    this.#segment = segmentExpression(options);
  }

  parse(): Part[] {
    while (this.#index < this.#tokens.length) {
      const character = this.#take("char");
      const name = this.#take("name");
      const matcher = this.#takeMatcher(name);
      if (name || matcher) {
        let prefix = character?.value ?? "";
        if (prefix !== "" && prefix !== this.#options.prefix) {
          this.#pending += prefix;
          prefix = "";
        }
        this.#flush();
        this.#add(prefix, name, matcher, "", this.#takeModifier());
        continue;
      }
      const fixed = character ?? this.#take("escaped-char");
      if (fixed) {
        this.#pending += fixed.value;
        continue;
      }
      if (this.#take("open")) {
        const prefix = this.#takeText();
        const groupName = this.#take("name");
        const groupMatcher = this.#takeMatcher(groupName);
        const suffix = this.#takeText();
        this.#require("close");
        this.#add(prefix, groupName, groupMatcher, suffix, this.#takeModifier());
        continue;
      }
      this.#flush();
      this.#require("end");
    }
    return this.parts;
  }

  #take(type: TokenType): Token | undefined {
    const token = this.#tokens[this.#index];
    if (token?.type !== type) return undefined;
    this.#index++;
    return token;
  }

  #takeMatcher(name: Token | undefined): Token | undefined {
    return this.#take("regexp") ?? (name ? undefined : this.#take("asterisk"));
  }

  #takeModifier(): Modifier {
    return ((this.#take("other-modifier") ?? this.#take("asterisk"))?.value ?? "") as Modifier;
  }

  #takeText(): string {
    let text = "";
    for (;;) {
      const token = this.#take("char") ?? this.#take("escaped-char");
      if (!token) return text;
      text += token.value;
    }
  }

  #require(type: TokenType): void {
    if (!this.#take(type))
      throw new TypeError(`The pattern is not valid at ${this.#tokens[this.#index]?.index ?? 0}`);
  }

  #flush(): void {
    if (this.#pending === "") return;
    const value = this.#encode(this.#pending);
    this.#pending = "";
    this.parts.push({ type: "fixed-text", value, modifier: "", name: "", prefix: "", suffix: "" });
  }

  #add(
    prefix: string,
    name: Token | undefined,
    matcher: Token | undefined,
    suffix: string,
    modifier: Modifier,
  ): void {
    if (!name && !matcher && modifier === "") {
      this.#pending += prefix;
      return;
    }
    this.#flush();
    if (!name && !matcher) {
      if (prefix === "") return;
      const value = this.#encode(prefix);
      this.parts.push({ type: "fixed-text", value, modifier, name: "", prefix: "", suffix: "" });
      return;
    }
    let value =
      matcher === undefined ? this.#segment : matcher.type === "asterisk" ? ANYTHING : matcher.value;
    const type =
      value === this.#segment ? "segment-wildcard" : value === ANYTHING ? "full-wildcard" : "regexp";
    if (type !== "regexp") value = "";
    const partName = name?.value ?? String(this.#nextName++);
    if (this.parts.some((part) => part.name === partName)) {
      throw new TypeError(`The name '${partName}' stands twice in the pattern`);
    }
    const encodedPrefix = this.#encode(prefix);
    this.parts.push({
      type,
      value,
      modifier,
      name: partName,
      prefix: encodedPrefix,
      suffix: this.#encode(suffix),
    });
  }
}

/** Throws TypeError. */
export function compileComponent(input: string, encode: Encode, options: PatternOptions): Component {
  const parts = new PartParser(input, options, encode).parse();
  const names = parts.filter((part) => part.type !== "fixed-text").map((part) => part.name);
  let expression: RegExp;
  try {
    expression = new RegExp(
      `^${parts.map((part) => toExpression(part, options)).join("")}$`,
      options.ignoreCase ? "vi" : "v",
    );
  } catch (thrown) {
    throw new TypeError(`The pattern '${input}' is not a valid expression: ${(thrown as Error).message}`);
  }
  const hasRegexpGroups = parts.some((part) => part.type === "regexp");
  return { pattern: toPattern(parts, options), expression, names, hasRegexpGroups };
}

function toExpression(part: Part, options: PatternOptions): string {
  const { type, value, modifier } = part;
  if (type === "fixed-text") {
    return modifier === "" ? escapeRegexp(value) : `(?:${escapeRegexp(value)})${modifier}`;
  }
  const inner =
    type === "segment-wildcard" ? segmentExpression(options) : type === "full-wildcard" ? ANYTHING : value;
  const isSingle = modifier === "" || modifier === "?";
  if (part.prefix === "" && part.suffix === "") {
    return isSingle ? `(${inner})${modifier}` : `((?:${inner})${modifier})`;
  }
  const prefix = escapeRegexp(part.prefix);
  const suffix = escapeRegexp(part.suffix);
  if (isSingle) return `(?:${prefix}(${inner})${suffix})${modifier}`;
  const repeated = `(?:${prefix}((?:${inner})(?:${suffix}${prefix}(?:${inner}))*)${suffix})`;
  return modifier === "*" ? `${repeated}?` : repeated;
}

function toPattern(parts: Part[], options: PatternOptions): string {
  return parts.map((part, index) => partPattern(part, parts[index - 1], parts[index + 1], options)).join("");
}

function partPattern(
  part: Part,
  previous: Part | undefined,
  next: Part | undefined,
  options: PatternOptions,
): string {
  const { type, value, modifier, name, prefix, suffix } = part;
  if (type === "fixed-text") {
    return modifier === "" ? escapePattern(value) : `{${escapePattern(value)}}${modifier}`;
  }
  const isNamed = !/^[0-9]/.test(name);
  const isGrouped = needsGroup(part, isNamed, previous, next, options);
  let text = isGrouped ? "{" : "";
  text += escapePattern(prefix);
  if (isNamed) text += `:${name}`;
  if (type === "regexp") text += `(${value})`;
  else if (type === "segment-wildcard") {
    if (!isNamed) text += `(${segmentExpression(options)})`;
  } else {
    const isStar =
      !isNamed &&
      (!previous || previous.type === "fixed-text" || previous.modifier !== "" || isGrouped || prefix !== "");
    text += isStar ? "*" : `(${ANYTHING})`;
  }
  if (type === "segment-wildcard" && isNamed && suffix !== "" && isNameCharacter(firstOf(suffix), false))
    text += "\\";
  text += escapePattern(suffix);
  return `${text}${isGrouped ? "}" : ""}${modifier}`;
}

function needsGroup(
  part: Part,
  isNamed: boolean,
  previous: Part | undefined,
  next: Part | undefined,
  options: PatternOptions,
): boolean {
  if (part.suffix !== "" || (part.prefix !== "" && part.prefix !== options.prefix)) return true;
  const isBare = isNamed && part.type === "segment-wildcard" && part.modifier === "";
  if (isBare && next && next.prefix === "" && next.suffix === "") {
    const touches =
      next.type === "fixed-text" ? isNameCharacter(firstOf(next.value), false) : /^[0-9]/.test(next.name);
    if (touches) return true;
  }
  return (
    part.prefix === "" &&
    previous?.type === "fixed-text" &&
    options.prefix !== "" &&
    previous.value.endsWith(options.prefix)
  );
}

function firstOf(text: string): string {
  return String.fromCodePoint(text.codePointAt(0)!);
}
