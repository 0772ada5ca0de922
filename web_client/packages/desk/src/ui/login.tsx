/** The agent's login: one form, one button, the refusal in plain words. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Desk } from "../desk.ts";
import { Brand } from "./topbar.tsx";

export function Login({ desk }: { desk: Desk }) {
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);
  const submit = async () => {
    if (busy) return;
    setBusy(true);
    await desk.login(login.trim(), password);
    setBusy(false);
    setPassword("");
  };
  return (
    <main class="login">
      <form
        class="login-card"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <h1 class="login-brand">
          <Brand /> <span class="login-desk">desk</span>
        </h1>
        <label class="field">
          <span>Login</span>
          <input
            ref={first}
            name="login"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            required
            value={login}
            onInput={({ currentTarget }) => setLogin(currentTarget.value)}
          />
        </label>
        <label class="field">
          <span>Password</span>
          <input
            name="password"
            type="password"
            autocomplete="current-password"
            required
            value={password}
            onInput={({ currentTarget }) => setPassword(currentTarget.value)}
          />
        </label>
        <p class="login-problem" role="alert">
          {desk.notice}
        </p>
        <button type="submit" class="button primary" aria-disabled={busy}>
          Log in
        </button>
      </form>
    </main>
  );
}
