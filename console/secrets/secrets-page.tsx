import { Page } from "../components/page.tsx";
import { SecretNames } from "./secret-names.tsx";

export function SecretsPage() {
  return (
    <Page
      title="Secrets"
      about="Values that tasks and functions read and nobody sees: they are encrypted, and only their names are shown. A function's own secrets are on its page."
    >
      <SecretNames />
    </Page>
  );
}
