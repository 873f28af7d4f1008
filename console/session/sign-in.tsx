import { useEffect, useState } from "preact/hooks";
import { Button } from "../components/button.tsx";
import { TextField } from "../components/field.tsx";
import { basePath } from "../data/root.ts";
import { goToProvider, providerName, returnFromProvider } from "./provider.ts";
import { resumeSession, signInByCode, signInByKey } from "./session.ts";

/**
 * What a sign-in link, or the OpenID provider, brought along is gone from the address before it is used. The code of a link
 * stands behind the `#`, which no browser sends to a server.
 */
function begin(): Promise<string | undefined> {
  const { hash, search, pathname } = location;
  if (pathname !== `${basePath}/sign-in`) return resumeSession();
  history.replaceState(null, "", basePath);
  if (hash !== "" && hash !== "#") return signInByCode(hash.slice(1));
  return search === "" ? resumeSession() : returnFromProvider(search.slice(1));
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
    void attempt(begin());
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
          <p class="muted">Sign in with an API key. It stays in this tab and is gone when you close it.</p>
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
        {providerName && (
          <Button disabled={isBusy} onClick={() => void attempt(goToProvider())}>
            Sign in with {providerName}
          </Button>
        )}
        <p class="muted small">
          <code>npm start</code> prints a key, and a link that signs in once.
        </p>
      </form>
    </main>
  );
}
