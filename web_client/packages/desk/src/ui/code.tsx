/** A customer on the phone tells six digits: the agent types them and sees the page. */
import { useRef } from "preact/hooks";
import type { Desk } from "../desk.ts";

const DIGITS = 6;

export function JoinByCode({ desk }: { desk: Desk }) {
  const field = useRef<HTMLInputElement>(null);
  const join = () => {
    const code = field.current?.value.replace(/\D/g, "") ?? "";
    if (code.length !== DIGITS) return field.current?.focus();
    desk.joinByCode(code);
    if (field.current) field.current.value = "";
  };
  return (
    <form
      class="join-code"
      onSubmit={(event) => {
        event.preventDefault();
        join();
      }}
    >
      <label>
        Code from the phone
        <input
          ref={field}
          inputMode="numeric"
          autocomplete="off"
          maxLength={DIGITS + 1}
          placeholder="123 456"
        />
      </label>
      <button type="submit" class="button small quiet">
        Look at the page
      </button>
    </form>
  );
}
