/**
 * How many of a worker's slots may be held by calls that bypass the queue. Anonymous calls, of which there may be any
 * number, leave an eighth to callers with a key and to the queue. So do all direct calls of one namespace, because the
 * excess goes through the queue, where everybody's runs are taken by age.
 */
import type { DirectCall } from "../../core/contracts/direct-call.ts";
import { createShares } from "../../core/shares.ts";

/** Of one public function. Above the 0.7 at which autoscalers start another worker. */
export const PUBLIC_FUNCTION_SHARE = 3 / 4;
export const NAMESPACE_SHARE = 7 / 8;

type Claim = Pick<DirectCall, "namespaceId" | "functionId" | "isPublic">;

export interface SlotShares {
  /** False: the call has to go elsewhere, or to wait. */
  take(call: Claim): boolean;
  release(call: Claim): void;
}

export function createSlotShares(slots: number): SlotShares {
  const atLeastOne = (share: number) => Math.max(1, Math.floor(slots * share));
  const most = atLeastOne(NAMESPACE_SHARE);
  const anonymous = createShares({
    function: atLeastOne(PUBLIC_FUNCTION_SHARE),
    namespace: most,
    all: most,
  });
  const all = createShares({ function: slots, namespace: most, all: slots });
  return {
    take(call) {
      if (!all.take(call, 1)) return false;
      if (!call.isPublic || anonymous.take(call, 1)) return true;
      all.release(call, 1);
      return false;
    },
    release(call) {
      all.release(call, 1);
      if (call.isPublic) anonymous.release(call, 1);
    },
  };
}
