import { useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { Button } from "../components/button.tsx";
import { ChoiceField, faultOf, TextField } from "../components/field.tsx";
import { Page } from "../components/page.tsx";
import { toast } from "../components/toasts.tsx";
import { toFault } from "../data/problem.ts";
import { useAction } from "../data/use-action.ts";
import { BuildFaults } from "./build-faults.tsx";
import { deploy, marksOf } from "./deploy.ts";
import { Editor } from "./editor.tsx";
import { STARTERS, type Starter } from "./starters.ts";

const OPTIONS: readonly (readonly [Starter, string])[] = [
  ["greet", "A function that returns a result"],
  ["watch", "A function that watches a page"],
  ["fetch", "A function with its own URL"],
];

export function NewFunctionPage() {
  const [, go] = useLocation();
  const [name, setName] = useState("greet");
  const [starter, setStarter] = useState<Starter>("greet");
  const [source, setSource] = useState<string>(STARTERS.greet);
  const action = useAction({ isQuiet: true });
  const fault = action.error === undefined ? undefined : toFault(action.error);
  const file = `${name || "function"}.ts`;
  const save = () =>
    void action.run(async () => {
      await deploy(name, { files: { [file]: source } });
      toast(`${name} is deployed.`);
      go(`/functions/${name}?tab=invoke`);
    });
  return (
    <Page
      title="New function"
      within={["Functions", "/functions"]}
      actions={
        <Button kind="primary" onClick={save} disabled={action.isBusy || name === ""}>
          {action.isBusy ? "Deploying …" : "Deploy"}
        </Button>
      }
    >
      <div class="form-row">
        <TextField
          label="Name"
          value={name}
          onInput={setName}
          hint="Lower-case letters, digits and hyphens."
          fault={faultOf(fault, "name")}
        />
        <ChoiceField
          label="Begin with"
          value={starter}
          options={OPTIONS}
          onChange={(next) => {
            setStarter(next);
            setSource(STARTERS[next]);
          }}
        />
      </div>
      <Editor label="Source" value={source} onInput={setSource} onSave={save} marks={marksOf(fault, file)} />
      <BuildFaults fault={fault} />
    </Page>
  );
}
