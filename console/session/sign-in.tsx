import { useEffect, useState } from "preact/hooks";
import { Button } from "../components/button.tsx";
import { TextField } from "../components/field.tsx";
import { basePath } from "../data/root.ts";
import { resumeSession, signInByCode, signInByKey } from "./session.ts";

/** The code stands behind the `#`, which no browser sends to a server; it is gone from the address before it is used. */
function takeCode(): string | undefined {
  const code = location.hash.slice(1);
  if (!location.pathname.endsWith("/sign-in")) return undefined;
  history.replaceState(null, "", basePath);
  return code === "" ? undefined : code;
}

export function SignIn() {
  const [key, setKey] = useState("");
  const [fault, setFault] = useState<string>();
  const [isBusy, setBusy] = useState(true);
  const attempt = async (trial: Promise<string | undefined>) => {
    setBusy(true);
    setFault(await trial);
    setBusy(false);
  };
  useEffect(() => {
    document.title = "Sign in · Bellhop";
    const code = takeCode();
    void attempt(code === undefined ? resumeSession() : signInByCode(code));
  }, []);
  return (
    <main class="sign-in">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(signInByKey(key.trim()));
        }}
      >
        <div>
          <h1>Bellhop</h1>
          <p class="muted">Sign in with an API key. It stays in this tab and goes when you close it.</p>
        </div>
        <TextField
          label="API key"
          type="password"
          placeholder="bh_…"
          value={key}
          onInput={setKey}
          fault={fault}
          required
        />
        <Button kind="primary" type="submit" disabled={isBusy || key.trim() === ""}>
          {isBusy ? "Signing in …" : "Sign in"}
        </Button>
        <p class="muted small">
          <code>npm start</code> prints a key, and a link that signs in once.
        </p>
      </form>
    </main>
  );
}
