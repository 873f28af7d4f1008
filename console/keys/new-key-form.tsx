import { useState } from "preact/hooks";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { ChoiceField, faultOf, TextField } from "../components/field.tsx";
import { Problem } from "../components/page.tsx";
import { may } from "../data/may.ts";
import { toFault } from "../data/problem.ts";
import { useAction } from "../data/use-action.ts";
import { client } from "../data/use-query.ts";

type Scope = Schemas["Key"]["scopes"][number];

const SCOPES: readonly (readonly [Scope, string])[] = [
  ["read", "see everything but secrets"],
  ["write", "create and change tasks, queues, runs"],
  ["deploy", "deploy functions, set secrets"],
  ["invoke", "call functions, run tasks"],
  ["admin", "all of the above, and manage keys"],
  ["operator", "all of the above, in every namespace"],
];

const LIVES = [
  ["30", "in 30 days"],
  ["90", "in 90 days"],
  ["365", "in a year"],
  ["", "never"],
] as const;

interface NewKeyProps {
  onMade: (secret: string) => void;
  onClose: () => void;
}

export function NewKeyForm({ onMade, onClose }: NewKeyProps) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Scope[]>(["read"]);
  const [days, setDays] = useState<(typeof LIVES)[number][0]>("90");
  const [functions, setFunctions] = useState("");
  const action = useAction({ isQuiet: true });
  const fault = action.error === undefined ? undefined : toFault(action.error);
  const make = () =>
    void action.run(async () => {
      const names = functions
        .split(",")
        .map((each) => each.trim())
        .filter(Boolean);
      const expiresAt = days === "" ? null : new Date(Date.now() + Number(days) * 86_400_000).toISOString();
      const body = { name, scopes: [...scopes], expiresAt, functions: names.length === 0 ? null : names };
      const { key } = await unwrap(client().POST("/v1/keys", { body }));
      onMade(key);
    });
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        make();
      }}
    >
      <TextField
        label="Name"
        value={name}
        onInput={setName}
        fault={faultOf(fault, "name")}
        autoFocus
        required
      />
      <fieldset class="field">
        <legend>It may</legend>
        {SCOPES.filter(([scope]) => may(scope)).map(([scope, text]) => (
          <label key={scope}>
            <input
              type="checkbox"
              checked={scopes.includes(scope)}
              onChange={() =>
                setScopes(
                  scopes.includes(scope) ? scopes.filter((each) => each !== scope) : [...scopes, scope],
                )
              }
            />{" "}
            <strong>{scope}</strong> <span class="muted">{text}</span>
          </label>
        ))}
      </fieldset>
      <div class="form-row">
        <ChoiceField label="It expires" value={days} options={LIVES} onChange={setDays} />
        <TextField
          label="Only for these functions"
          value={functions}
          onInput={setFunctions}
          hint="Names separated by commas; leave empty for all functions."
          fault={faultOf(fault, "functions")}
        />
      </div>
      {fault && <Problem error={action.error} />}
      <footer>
        <Button onClick={onClose}>Close</Button>
        <Button kind="primary" type="submit" disabled={action.isBusy || name === "" || scopes.length === 0}>
          Create the key
        </Button>
      </footer>
    </form>
  );
}
