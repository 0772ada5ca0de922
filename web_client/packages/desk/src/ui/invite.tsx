/** Colleagues: asking one into an engagement, and being asked. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Desk } from "../desk.ts";
import { Icon } from "./icons.tsx";

export function Invite({ desk, engagement }: { desk: Desk; engagement: string }) {
  const [open, setOpen] = useState(false);
  const login = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (open) login.current?.focus();
  }, [open]);
  const invite = (mode: "talk" | "consult") => {
    const name = login.current?.value.trim() ?? "";
    if (name === "") return login.current?.focus();
    desk.invite(engagement, name, mode);
    setOpen(false);
  };
  return (
    <div class="invite">
      <button
        type="button"
        class="button small quiet"
        aria-label="Add a colleague"
        title="Add a colleague"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <Icon name="people" />
      </button>
      {open && (
        <form
          class="invite-card"
          aria-label="Add a colleague"
          onSubmit={(event) => {
            event.preventDefault();
            invite("talk");
          }}
        >
          <label>
            Colleague's login
            <input
              ref={login}
              name="login"
              autocomplete="off"
              maxLength={120}
              onKeyDown={(event) => event.key === "Escape" && setOpen(false)}
            />
          </label>
          <div class="row">
            <button type="submit" class="button small primary">
              Talk together
            </button>
            <button type="button" class="button small quiet" onClick={() => invite("consult")}>
              Ask privately
            </button>
          </div>
        </form>
      )}
    </div>
  );
}

export function Invitations({ desk }: { desk: Desk }) {
  return (
    <>
      {desk.invitations.map((one) => (
        <section key={one.engagement} class="offer" aria-label={`Invitation from ${one.by_name}`}>
          <p>
            <strong>{one.by_name}</strong>{" "}
            {one.mode === "consult" ? "asks you something about" : "invites you to"} {one.visitor.name}
          </p>
          <div class="row">
            <button type="button" class="button small go" onClick={() => desk.joinInvited(one)}>
              Join
            </button>
            <button type="button" class="button small quiet" onClick={() => desk.dismissInvitation(one)}>
              Not now
            </button>
          </div>
        </section>
      ))}
    </>
  );
}
