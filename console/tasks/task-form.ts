/** What the form of a new task holds, and the body that it makes. Pure. */
import { EMPTY_SCHEDULE, type ScheduleForm, toSchedule } from "./schedule-form.ts";

export interface TaskForm {
  type: "function" | "http" | "email";
  name: string;
  key: string;
  functionName: string;
  input: string;
  method: string;
  url: string;
  body: string;
  to: string;
  subject: string;
  text: string;
  schedule: ScheduleForm;
  queue: string;
  overlap: "skip" | "allow" | "wait" | "cancel-previous";
  catchUp: "latest" | "all" | "none";
  maxAttempts: string;
  timeout: string;
}

/** Policy as the API has it where nothing is said: shown, so that nobody has to know it. */
export const emptyTask = (functionName: string): TaskForm => ({
  ...{ type: "function", name: "", key: "", functionName, input: '{\n  "name": "world"\n}' },
  ...{ method: "POST", url: "https://", body: "", to: "", subject: "", text: "" },
  ...{ schedule: EMPTY_SCHEDULE, queue: "default", overlap: "skip", catchUp: "latest" },
  ...{ maxAttempts: "", timeout: "" },
});

export interface MadeBody {
  body: Record<string, unknown>;
  /** Field → what is wrong before the API is asked. */
  faults: Record<string, string>;
}

export function toTaskBody(form: TaskForm): MadeBody {
  const faults: Record<string, string> = {};
  const json = (name: string, text: string): unknown => {
    try {
      return text.trim() === "" ? undefined : JSON.parse(text);
    } catch (error) {
      faults[name] = `This is not JSON: ${(error as Error).message}`;
      return undefined;
    }
  };
  const schedule = toSchedule(form.schedule);
  const isRecurring = schedule !== undefined && !("at" in schedule) && !("delay" in schedule);
  const body = dropUndefined({
    ...targetOf(form, json),
    name: form.name.trim() || undefined,
    key: form.key.trim() || undefined,
    schedule,
    queue: form.queue === "default" || form.queue === "" ? undefined : form.queue,
    overlap: form.overlap === "skip" ? undefined : form.overlap,
    catchUp: isRecurring && form.catchUp !== "latest" ? { policy: form.catchUp } : undefined,
    retry: form.maxAttempts ? { maxAttempts: Number(form.maxAttempts) } : undefined,
    timeout: form.timeout.trim() || undefined,
  });
  return { body, faults };
}

function targetOf(form: TaskForm, json: (name: string, text: string) => unknown): Record<string, unknown> {
  if (form.type === "function")
    return { type: "function", function: form.functionName, input: json("input", form.input) };
  if (form.type === "http")
    return { type: "http", method: form.method, url: form.url, body: json("body", form.body) };
  const to = form.to.split(",").map((each) => each.trim());
  return { type: "email", to: to.filter(Boolean), subject: form.subject, body: form.text };
}

const dropUndefined = (record: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
