/** After-work: outcome and note, with the time that is left. What is written is sent before it runs out. */
import { useEffect, useRef } from "preact/hooks";
import { duration } from "../words.ts";
import type { Shown } from "./engagement.tsx";
import { useNow } from "./hooks.ts";

const OUTCOMES = [
  ["resolved", "Resolved"],
  ["follow_up", "Needs a follow-up"],
  ["passed_on", "Passed on"],
  ["no_answer", "Customer went away"],
  ["other", "Something else"],
] as const;
const SEND_BEFORE_MS = 2_000;
const MAX_NOTE = 4_000;

export function WrapUpForm({ desk, state }: Shown) {
  const { id, wrap_up_due_ms } = state.view;
  const { code, note } = desk.kept.wrapUp(id);
  const first = useRef<HTMLSelectElement>(null);
  const sent = useRef(false);
  const now = useNow(true) + desk.skewMs;
  const left = Math.max(0, wrap_up_due_ms - now);
  const finish = () => {
    if (sent.current) return;
    sent.current = true;
    desk.finish(id);
  };
  useEffect(() => first.current?.focus(), []);
  useEffect(() => {
    if (wrap_up_due_ms > 0 && left < SEND_BEFORE_MS && (code !== "" || note !== "")) finish();
  });
  return (
    <form
      class="wrap-up"
      aria-label="Wrap-up"
      onSubmit={(event) => {
        event.preventDefault();
        finish();
      }}
    >
      <div class="wrap-up-head">
        <h2>Wrap-up</h2>
        <span class="wrap-up-left" role="timer" aria-label="Time left">
          {wrap_up_due_ms > 0 ? `${duration(left)} left` : ""}
        </span>
      </div>
      <div class="wrap-up-fields">
        <label class="field">
          <span>Outcome</span>
          <select
            ref={first}
            value={code}
            onChange={({ currentTarget }) => desk.setWrapUp(id, { code: currentTarget.value, note })}
          >
            <option value="">Choose an outcome</option>
            {OUTCOMES.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>Note</span>
          <textarea
            rows={2}
            maxLength={MAX_NOTE}
            value={note}
            onInput={({ currentTarget }) => desk.setWrapUp(id, { code, note: currentTarget.value })}
          />
        </label>
      </div>
      <button type="submit" class="button primary">
        Done
      </button>
    </form>
  );
}
