/** States in words and in one colour each, the same everywhere. */
export type Tone = "good" | "bad" | "warn" | "busy" | "idle";

const TONES: Record<string, Tone> = {
  ...{ succeeded: "good", running: "busy", queued: "busy", scheduled: "idle", failed: "bad", dead: "bad" },
  ...{ cancelled: "idle", skipped: "warn", expired: "warn" },
  ...{ active: "good", paused: "warn", completed: "idle", deleting: "warn" },
  ...{ open: "bad", resolved: "good", ignored: "idle", aborted: "warn" },
};

export const toneOf = (state: string): Tone => TONES[state] ?? "idle";

const WORDS: Record<string, string> = { dead: "dead letter" };

export function State({ of: state }: { of: string }) {
  return (
    <span class="badge" data-tone={toneOf(state)}>
      {WORDS[state] ?? state}
    </span>
  );
}

export function Badge({ tone, children }: { tone?: Tone; children: string }) {
  return (
    <span class="badge" data-tone={tone}>
      {children}
    </span>
  );
}
