/** All that a filter finds, changed at once: how many they are is counted before anything is done. */
import { useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { Dialog } from "../components/dialog.tsx";
import { ChoiceField } from "../components/field.tsx";
import { Answered, Problem } from "../components/page.tsx";
import { useAction } from "../data/use-action.ts";
import { client, useQuery } from "../data/use-query.ts";

type Resource = "tasks" | "runs";
export type BulkVerb = "cancel" | "pause" | "resume" | "run" | "delete" | "replay" | "redrive" | "discard";

interface BulkOfferProps {
  resource: Resource;
  filter: Record<string, string | string[]>;
  /** Nothing narrows it: whoever goes on changes everything. */
  isAll: boolean;
  actions: readonly BulkVerb[];
}

const WORDS: Record<BulkVerb, string> = {
  ...{ cancel: "Cancel", pause: "Pause", resume: "Resume", run: "Run now", delete: "Delete" },
  ...{ replay: "Replay", redrive: "Redrive", discard: "Discard" },
};

function toBody(resource: Resource, action: BulkVerb, { state, label, ...filter }: BulkOfferProps["filter"]) {
  const listed = (value: string | string[]) => (Array.isArray(value) ? value : [value]);
  const whole = { ...filter, ...(state && { state: listed(state) }), ...(label && { label: listed(label) }) };
  return { resource, action, filter: whole } as never;
}

export function BulkOffer(props: BulkOfferProps) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button onClick={() => setOpen(true)}>Change all that match</Button>
      {isOpen && <BulkDialog {...props} onClose={() => setOpen(false)} />}
    </>
  );
}

function BulkDialog({ resource, filter, isAll, actions, onClose }: BulkOfferProps & { onClose: () => void }) {
  const [verb, setVerb] = useState<BulkVerb>(actions[0]!);
  const [, go] = useLocation();
  const action = useAction({ isQuiet: true });
  const body = toBody(resource, verb, filter);
  const counted = useQuery(`bulk ${JSON.stringify(body)}`, () =>
    unwrap(client().POST("/v1/bulk", { body: { ...(body as object), dryRun: true } as never })),
  );
  const start = () =>
    void action.run(async () => {
      const made = (await unwrap(client().POST("/v1/bulk", { body }))) as Schemas["BulkAction"];
      go(`/bulk/${made.id}`);
    });
  return (
    <Dialog title={`Change ${isAll ? "all" : "matching"} ${resource}`} onClose={onClose}>
      <ChoiceField
        label="Action"
        value={verb}
        options={actions.map((each) => [each, WORDS[each]] as const)}
        onChange={setVerb}
      />
      {isAll && <p class="note">No filter is set: this applies to everything in the namespace.</p>}
      <Answered of={counted}>
        {({ matched }) => (
          <p>
            <strong class="number">{matched.toLocaleString("en-GB")}</strong>{" "}
            {matched === 1 ? resource.slice(0, -1) : resource} would change.
          </p>
        )}
      </Answered>
      {action.error !== undefined && <Problem error={action.error} />}
      <footer>
        <Button onClick={onClose}>Keep as they are</Button>
        <Button
          kind="primary"
          onClick={start}
          disabled={action.isBusy || !counted.data || counted.data.matched === 0}
        >
          {WORDS[verb]} {counted.data?.matched.toLocaleString("en-GB") ?? ""}
        </Button>
      </footer>
    </Dialog>
  );
}
