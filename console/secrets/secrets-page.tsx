import { Page } from "../components/page.tsx";
import { SecretNames } from "./secret-names.tsx";

export function SecretsPage() {
  return (
    <Page
      title="Secrets"
      about="Values that tasks and functions read and nobody sees: they are sealed, and only their names are shown. A function's own stand with the function."
    >
      <SecretNames />
    </Page>
  );
}
