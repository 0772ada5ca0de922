/** The agent proposes to talk; and what the visitor agrees to, and what to do when the microphone is refused. */
import { isLive, type Talk } from "../talk.ts";
import { TEXT } from "../text.ts";
import { Icon } from "./icons.tsx";

export function Suggestion({ talk }: { talk: Talk }) {
  const state = talk.current();
  const call = state?.view.call;
  const idle = (call?.state ?? "none") === "none";
  const suggested = isLive(state) && call?.suggestion && call.suggested_by !== talk.engagements?.me;
  return (
    <>
      {talk.microphone !== "on" && idle && (
        <div class="notice" role="alert">
          <span>{talk.microphone === "denied" ? TEXT.denied : TEXT.missing}</span>
        </div>
      )}
      {suggested && idle && (
        <section class="card suggestion" aria-label="Suggestion">
          <p>
            <strong>{call.suggestion === "video" ? "Shall we talk face to face?" : "Shall we talk?"}</strong>
          </p>
          <p id="voice-wording" class="small">
            {TEXT.voiceWording}
          </p>
          <div class="row">
            <button type="button" class="primary" onClick={() => void talk.talk()}>
              <Icon name="phone" />
              <span>{TEXT.talkNow}</span>
            </button>
            <button type="button" class="secondary" onClick={() => talk.decline()}>
              {TEXT.notNow}
            </button>
          </div>
        </section>
      )}
      {suggested && !idle && (call.suggestion === "video" || call.suggestion === "screen") && (
        <section class="card suggestion" aria-label="Suggestion">
          <p>
            <strong>
              {call.suggestion === "video"
                ? "Would you like to turn your camera on?"
                : "Would you like to show your screen?"}
            </strong>
          </p>
          <p class="small">{call.suggestion === "video" ? TEXT.videoWording : TEXT.screenWording}</p>
          <div class="row">
            <button type="button" class="secondary" onClick={() => talk.decline()}>
              {TEXT.notNow}
            </button>
          </div>
        </section>
      )}
      {!suggested && idle && talk.config?.voice !== false && (
        <p id="voice-wording" class="wording">
          {TEXT.voiceWording}
        </p>
      )}
    </>
  );
}
