/** How the target of a task answers its attempts, as the task's URL says it: `?plan=500,drop,200:50`. Pure. */

export type Step =
  | { kind: "answer"; status: number; delayMs: number }
  /** The connection is broken off. */
  | { kind: "drop" }
  /** 202, and the run is completed so much later. */
  | { kind: "later"; delayMs: number };

/** Of an attempt; the last step also holds for those after it. */
export function stepOf(plan: string, attempt: number): Step {
  const steps = plan.split(",");
  const [head = "200", delay = "0"] = (steps[attempt - 1] ?? steps.at(-1)!).split(":");
  const delayMs = Number(delay);
  if (head === "drop") return { kind: "drop" };
  if (head === "later") return { kind: "later", delayMs };
  return { kind: "answer", status: Number(head), delayMs };
}
