/** A change that somebody asks for: its button rests while it is under way, its end is told. */
import { useState } from "preact/hooks";
import { toast } from "../components/toasts.tsx";
import { toFault } from "./problem.ts";
import { isSignedOutBy } from "./use-query.ts";

export interface Action {
  isBusy: boolean;
  /** What was wrong the last time. */
  error: unknown;
  run(work: () => Promise<string | undefined>): Promise<boolean>;
}

/** @param isQuiet the view shows what was wrong itself */
export function useAction({ isQuiet = false } = {}): Action {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  return {
    isBusy,
    error,
    async run(work) {
      setBusy(true);
      setError(undefined);
      try {
        const said = await work();
        if (said) toast(said);
        return true;
      } catch (fault) {
        if (isSignedOutBy(fault)) return false;
        setError(fault);
        const { message, help } = toFault(fault);
        if (!isQuiet) toast(message, "bad", help);
        return false;
      } finally {
        setBusy(false);
      }
    },
  };
}
