/** Names of secrets, of the namespace or of a function. A value is written, and never shown. */
import { useState } from "preact/hooks";
import { unwrap } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { Confirm } from "../components/dialog.tsx";
import { TextField } from "../components/field.tsx";
import { Answered, Section } from "../components/page.tsx";
import { Table } from "../components/table.tsx";
import { Time } from "../components/time.tsx";
import { may } from "../data/may.ts";
import { useAction } from "../data/use-action.ts";
import { client, useQuery } from "../data/use-query.ts";

const OF_FUNCTION = "/v1/functions/{name}/secrets/{secret}";
const OF_NAMESPACE = "/v1/secrets/{secret}";

/** How a task names one. */
const IN_A_TASK = "{{secrets.NAME}}";

const listSecrets = (name: string | undefined) =>
  name === undefined
    ? unwrap(client().GET("/v1/secrets"))
    : unwrap(client().GET("/v1/functions/{name}/secrets", { params: { path: { name } } }));

async function putSecret(name: string | undefined, secret: string, value: string): Promise<void> {
  await (name === undefined
    ? unwrap(client().PUT(OF_NAMESPACE, { params: { path: { secret } }, body: { value } }))
    : unwrap(client().PUT(OF_FUNCTION, { params: { path: { name, secret } }, body: { value } })));
}

async function deleteSecret(name: string | undefined, secret: string): Promise<void> {
  await (name === undefined
    ? unwrap(client().DELETE(OF_NAMESPACE, { params: { path: { secret } } }))
    : unwrap(client().DELETE(OF_FUNCTION, { params: { path: { name, secret } } })));
}

export function SecretNames({ ofFunction }: { ofFunction?: string }) {
  const query = useQuery(`secrets ${ofFunction}`, () => listSecrets(ofFunction));
  const action = useAction();
  const remove = (secret: string) =>
    action.run(async () => {
      await deleteSecret(ofFunction, secret);
      query.reload();
      return `${secret} was deleted.`;
    });
  return (
    <Section title={ofFunction === undefined ? "The namespace's secrets" : "Secrets"}>
      <Answered of={query}>
        {({ items }) =>
          items.length === 0 ? (
            <p class="muted">
              None. A function reads secrets as <code>ctx.env</code>, a task as <code>{IN_A_TASK}</code>.
            </p>
          ) : (
            <Table
              caption="Secrets"
              rows={items}
              keyOf={({ name }) => name}
              columns={[
                { title: "Name", cell: ({ name }) => <code>{name}</code> },
                { title: "Set", isTight: true, cell: ({ updatedAt }) => <Time at={updatedAt} /> },
                {
                  title: "Actions",
                  isUntitled: true,
                  isTight: true,
                  cell: ({ name }) =>
                    may("deploy") && (
                      <Confirm
                        action="Delete"
                        isQuiet
                        title={`Delete the secret ${name}?`}
                        isBusy={action.isBusy}
                        onConfirm={() => remove(name)}
                      >
                        Functions and tasks that read it no longer find it.
                      </Confirm>
                    ),
                },
              ]}
            />
          )
        }
      </Answered>
      {may("deploy") && (
        <SecretForm
          onSave={async (secret, value) => {
            await putSecret(ofFunction, secret, value);
            query.reload();
          }}
        />
      )}
    </Section>
  );
}

function SecretForm({ onSave }: { onSave: (name: string, value: string) => Promise<void> }) {
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const action = useAction();
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        void action.run(async () => {
          await onSave(name, value);
          setName("");
          setValue("");
          return `${name} is set.`;
        });
      }}
    >
      <div class="form-row">
        <TextField label="Secret" value={name} onInput={setName} placeholder="API_TOKEN" isCode />
        <TextField label="Its value" type="password" value={value} onInput={setValue} />
      </div>
      <div class="actions">
        <Button type="submit" disabled={action.isBusy || name === "" || value === ""}>
          Set the secret
        </Button>
      </div>
    </form>
  );
}
