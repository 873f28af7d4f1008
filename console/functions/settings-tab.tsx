import { useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { unwrap } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { Confirm } from "../components/dialog.tsx";
import { Facts } from "../components/facts.tsx";
import { TextField } from "../components/field.tsx";
import { Section } from "../components/page.tsx";
import { toast } from "../components/toasts.tsx";
import { may } from "../data/may.ts";
import { apiUrl } from "../data/root.ts";
import { useAction } from "../data/use-action.ts";
import { client } from "../data/use-query.ts";
import { formatBytes, formatDuration } from "../format/duration.ts";
import { SecretNames } from "../secrets/secret-names.tsx";
import { currentSession } from "../session/session.ts";
import type { Fn } from "./fn.ts";

export function SettingsTab({ fn, onChanged }: { fn: Fn; onChanged: () => void }) {
  const action = useAction();
  const [, go] = useLocation();
  const { name, revision } = fn;
  const { limits } = revision;
  const params = { path: { name } };
  const change = (body: { env?: Record<string, string | null>; public?: boolean }, said: string) =>
    action.run(async () => {
      await unwrap(client().PATCH("/v1/functions/{name}", { params, body }));
      onChanged();
      return said;
    });
  const url = `${apiUrl}/fn/${currentSession()?.caller.namespace}/${name}/`;
  return (
    <div class="grid">
      <Section title="Its URL">
        <p>
          <a href={url} target="_blank" rel="noopener noreferrer">
            {url}
          </a>
        </p>
        <p class="muted">
          {fn.public
            ? "It is public: anybody who knows the URL may call it."
            : "It is not public: callers need a key with the scope invoke."}
        </p>
        {may("deploy") && (
          <div class="actions">
            <Confirm
              action={fn.public ? "Make it private" : "Make it public"}
              isQuiet
              kind="primary"
              title={fn.public ? `Make ${name} private?` : `Let anybody call ${name}?`}
              isBusy={action.isBusy}
              onConfirm={() =>
                change(
                  { public: !fn.public },
                  fn.public ? "The function is private." : "The function is public.",
                )
              }
            >
              {fn.public ? "From now on callers without a key are refused." : "Its URL needs no key."}
            </Confirm>
          </div>
        )}
      </Section>
      <Section title="Limits of a run">
        <Facts
          of={[
            ["Memory", `${limits.memoryMb} MB`],
            ["Processor", formatDuration(limits.cpuMs)],
            ["Wall time", formatDuration(limits.wallMs)],
            ["At once", limits.concurrency ?? "no limit"],
            ["Result", formatBytes(limits.resultBytes)],
            ["Log lines", limits.logLines.toLocaleString("en-GB")],
            ["Requests", limits.subrequests],
          ]}
        />
      </Section>
      <Environment env={fn.env} onChange={(env) => change({ env }, "The settings were changed.")} />
      <SecretNames ofFunction={name} />
      {may("deploy") && (
        <Section title="Remove it">
          <p class="muted">Its URL and hooks stop working at once. Recorded runs stay.</p>
          <div class="actions">
            <Confirm
              action="Remove the function"
              title={`Remove ${name}?`}
              isBusy={action.isBusy}
              onConfirm={() =>
                action.run(async () => {
                  await unwrap(client().DELETE("/v1/functions/{name}", { params }));
                  toast(`${name} was removed.`);
                  go("/functions");
                })
              }
            >
              There is no way back; tasks that call it keep it from being removed.
            </Confirm>
          </div>
        </Section>
      )}
    </div>
  );
}

interface EnvironmentProps {
  env: Record<string, string>;
  onChange: (env: Record<string, string | null>) => void;
}

function Environment({ env, onChange }: EnvironmentProps) {
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  return (
    <Section title="Settings">
      {Object.keys(env).length === 0 && (
        <p class="muted">
          None. The function reads them as <code>ctx.env</code>.
        </p>
      )}
      <Facts
        of={Object.entries(env).map(([each, text]) => [
          each,
          <span key={each}>
            <code>{text}</code>{" "}
            {may("deploy") && (
              <Button kind="plain" label={`Remove ${each}`} onClick={() => onChange({ [each]: null })}>
                Remove
              </Button>
            )}
          </span>,
        ])}
      />
      {may("deploy") && (
        <form
          class="form"
          onSubmit={(event) => {
            event.preventDefault();
            onChange({ [name]: value });
            setName("");
            setValue("");
          }}
        >
          <div class="form-row">
            <TextField label="Setting" value={name} onInput={setName} isCode placeholder="GREETING" />
            <TextField label="Value" value={value} onInput={setValue} isCode />
          </div>
          <div class="actions">
            <Button type="submit" disabled={name === ""}>
              Set
            </Button>
          </div>
        </form>
      )}
    </Section>
  );
}
