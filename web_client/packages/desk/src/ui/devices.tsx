/** Which microphone and which speaker: the browser's devices, as it names them once it was allowed. */
import type { CallLeg } from "@talknow/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { useDismiss } from "./hooks.ts";
import { Icon } from "./icons.tsx";

function useDevices(leg: CallLeg): MediaDeviceInfo[] {
  const [devices, setDevices] = useState<MediaDeviceInfo[]>([]);
  const microphone = leg.state.microphone;
  useEffect(() => {
    const source = navigator.mediaDevices;
    if (source === undefined) return;
    const read = () =>
      source.enumerateDevices().then(
        (found) => setDevices(found.filter(({ deviceId }) => deviceId !== "")),
        () => undefined,
      );
    void read();
    source.addEventListener("devicechange", read);
    return () => source.removeEventListener("devicechange", read);
  }, [microphone]);
  return devices;
}

export function DeviceChoice({ leg }: { leg: CallLeg }) {
  const devices = useDevices(leg);
  const microphones = devices.filter(({ kind }) => kind === "audioinput");
  const speakers = devices.filter(({ kind }) => kind === "audiooutput");
  const used = leg.media.track.audio?.getSettings().deviceId ?? "";
  return (
    <>
      <select
        class="device"
        aria-label="Microphone"
        value={used}
        onChange={({ currentTarget }) => void leg.media.choose("audio", currentTarget.value)}
      >
        {microphones.length === 0 && <option value="">Microphone</option>}
        <Options devices={microphones} name="Microphone" />
      </select>
      {speakers.length > 1 && <SpeakerChoice leg={leg} speakers={speakers} />}
    </>
  );
}

function Options({ devices, name }: { devices: MediaDeviceInfo[]; name: string }) {
  return (
    <>
      {devices.map((one, index) => (
        <option key={one.deviceId} value={one.deviceId}>
          {one.label || `${name} ${index + 1}`}
        </option>
      ))}
    </>
  );
}

function SpeakerChoice({ leg, speakers }: { leg: CallLeg; speakers: MediaDeviceInfo[] }) {
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState("default");
  const root = useRef<HTMLDivElement>(null);
  useDismiss(open, root, () => setOpen(false));
  const choose = (id: string) => {
    setChosen(id);
    void leg.chooseSpeaker(id).catch(() => undefined);
  };
  return (
    <div class="popover-root" ref={root}>
      <button
        type="button"
        class="icon-button"
        aria-label="Choose a speaker"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <Icon name="speaker" />
      </button>
      {open && (
        <div class="popover speakers">
          <select
            class="device"
            aria-label="Speaker"
            value={chosen}
            onChange={({ currentTarget }) => choose(currentTarget.value)}
          >
            <Options devices={speakers} name="Speaker" />
          </select>
        </div>
      )}
    </div>
  );
}
