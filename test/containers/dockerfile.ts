/** The Dockerfile as data: its stages and their steps, variables of ARG put in where a stage is named. */
import {
  DockerfileParser,
  type Instruction,
  type ModifiableInstruction,
  type PropertyInstruction,
} from "dockerfile-ast";

export interface Step {
  /** `COPY`, `RUN` and so on. */
  keyword: string;
  /** `--from=build` as `from: "build"`. */
  flags: Record<string, string>;
  /** What follows keyword and flags, continuation lines joined. */
  text: string;
  /** Of the JSON form: CMD, ENTRYPOINT, and the command of a HEALTHCHECK. */
  words: string[] | undefined;
  /** Of ENV, LABEL, ARG. */
  properties: [name: string, value: string][];
}

export interface Stage {
  name: string | undefined;
  /** What FROM names: an image, or an earlier stage. */
  base: string;
  steps: Step[];
}

export function readDockerfile(text: string): Stage[] {
  const stages: Stage[] = [];
  const variables: Record<string, string> = {};
  for (const instruction of DockerfileParser.parse(text).getInstructions()) {
    const step = toStep(instruction);
    const stage = stages.at(-1);
    if (step.keyword === "FROM") {
      const [base = "", , name] = step.text.split(/\s+/);
      stages.push({ name, base: putIn(base, variables), steps: [] });
    } else if (stage) stage.steps.push(step);
    else if (step.keyword === "ARG") Object.assign(variables, Object.fromEntries(step.properties));
  }
  return stages;
}

/** `${NAME}` and `$NAME`; one that is not known stays, for a test to find. */
function putIn(text: string, variables: Record<string, string>): string {
  return text.replace(
    /\$(?:\{(\w+)\}|(\w+))/g,
    (whole, braced, plain) => variables[braced ?? plain] ?? whole,
  );
}

const WITH_PROPERTIES = ["ARG", "ENV", "LABEL"];
const WITH_COMMAND = ["CMD", "ENTRYPOINT", "HEALTHCHECK"];
const WITH_FLAGS = ["COPY", "ADD", "RUN", "HEALTHCHECK"];

function toStep(instruction: Instruction): Step {
  const keyword = instruction.getKeyword();
  const flags = WITH_FLAGS.includes(keyword) ? (instruction as ModifiableInstruction).getFlags() : [];
  // What the file continues on the next line is one line, and comments between are none.
  const whole = (instruction.getRawArgumentsContent() ?? "").replace(/\\\n(\s*#.*\n)*/g, "");
  const text = whole.replace(/^(\s*--[\w-]+=\S+)*\s*/, "").trim();
  const json = WITH_COMMAND.includes(keyword) ? /\[.*\]$/s.exec(text)?.[0] : undefined;
  const properties = WITH_PROPERTIES.includes(keyword)
    ? (instruction as PropertyInstruction).getProperties()
    : [];
  return {
    keyword,
    flags: Object.fromEntries(flags.map((flag) => [flag.getName(), flag.getValue() ?? ""])),
    text,
    words: json === undefined ? undefined : (JSON.parse(json) as string[]),
    properties: properties.map((each) => [each.getName(), each.getValue() ?? ""]),
  };
}
