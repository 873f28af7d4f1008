import { useState } from "preact/hooks";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { faultOf, TextField } from "../components/field.tsx";
import { Problem } from "../components/page.tsx";
import { toFault } from "../data/problem.ts";
import { useAction } from "../data/use-action.ts";
import { client } from "../data/use-query.ts";

interface QueueFormProps {
  /** Left out: a new one. */
  queue?: Schemas["Queue"];
  onSaved: (name: string) => void;
  onClose: () => void;
}

const toNumber = (text: string) => (text.trim() === "" ? null : Number(text));

export function QueueForm({ queue, onSaved, onClose }: QueueFormProps) {
  const [name, setName] = useState(queue?.name ?? "");
  const [concurrency, setConcurrency] = useState(queue?.concurrency?.toString() ?? "");
  const [limit, setLimit] = useState(queue?.rate?.limit.toString() ?? "");
  const [per, setPer] = useState(queue?.rate?.per ?? "1s");
  const [perKey, setPerKey] = useState(queue?.perKey?.concurrency?.toString() ?? "");
  const action = useAction({ isQuiet: true });
  const fault = action.error === undefined ? undefined : toFault(action.error);
  const save = () =>
    void action.run(async () => {
      const asked = toNumber(limit);
      const kept = queue?.rate?.burst ?? null;
      const ofKey = toNumber(perKey);
      const keyRate = queue?.perKey?.rate ?? null;
      await unwrap(
        client().PUT("/v1/queues/{name}", {
          params: { path: { name } },
          body: {
            concurrency: toNumber(concurrency),
            rate: asked === null ? null : { limit: asked, per, burst: kept },
            perKey: ofKey === null && keyRate === null ? null : { concurrency: ofKey, rate: keyRate },
            restOn429: queue?.restOn429 ?? false,
            paused: queue?.paused ?? false,
            pausedUntil: queue?.pausedUntil ?? null,
          },
        }),
      );
      onSaved(name);
      return `The limits of ${name} are set.`;
    });
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      {!queue && (
        <TextField
          label="Name"
          value={name}
          onInput={setName}
          fault={faultOf(fault, "name")}
          required
          autoFocus
        />
      )}
      <TextField
        label="Concurrent runs"
        type="number"
        value={concurrency}
        onInput={setConcurrency}
        hint="Leave empty for no limit."
        fault={faultOf(fault, "concurrency")}
      />
      <div class="form-row">
        <TextField
          label="Run starts"
          type="number"
          value={limit}
          onInput={setLimit}
          hint="Leave empty for no rate limit."
          fault={faultOf(fault, "rate")}
        />
        <TextField label="in" value={per} onInput={setPer} hint="Such as 1s, 1m or 1h." />
      </div>
      <TextField
        label="Concurrent runs per concurrency key"
        type="number"
        value={perKey}
        onInput={setPerKey}
        fault={faultOf(fault, "perKey")}
      />
      {fault && <Problem error={action.error} />}
      <footer>
        <Button onClick={onClose}>Keep as it is</Button>
        <Button kind="primary" type="submit" disabled={action.isBusy || name === ""}>
          Save
        </Button>
      </footer>
    </form>
  );
}
