// Asked for when the server wants to know who asks.
import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api";
import { Input } from "../parts/field";
import { Failure, Page } from "../parts/page";
import { authorization, credentials, refused, signIn } from "../session";
import { reason, useAction } from "../use";

export function SignInPage() {
  const [account, setAccount] = useState("");
  const [secret, setSecret] = useState("");
  const [failure, setFailure] = useState<string>();
  const [busy, run] = useAction();
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.querySelector("input")?.focus(), []);

  const submit = (event: Event): void => {
    event.preventDefault();
    void run(async () => {
      authorization.value = credentials(account.trim(), secret);
      try {
        await get("overview");
        signIn(authorization.value);
      } catch (cause) {
        authorization.value = null;
        refused.value = true;
        setFailure(reason(cause));
      }
    });
  };

  return (
    <div class="sign-in card">
      <Page title="Sign in">
        <form ref={form} onSubmit={submit}>
          <Input label="Account" value={account} set={setAccount} autocomplete="username" hint="Leave it empty to sign in with a token" />
          <Input label="Key or token" type="password" value={secret} set={setSecret} required autocomplete="current-password" />
          <Failure text={failure} />
          <button class="main" disabled={busy}>
            Sign in
          </button>
        </form>
      </Page>
    </div>
  );
}
