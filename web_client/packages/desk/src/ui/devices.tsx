/** Which microphone and which speaker: the browser's devices, as it names them once it was allowed. */
import type { CallLeg } from "@talknow/client";
import { useEffect, useState } from "preact/hooks";

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
        {microphones.map((one, index) => (
          <option key={one.deviceId} value={one.deviceId}>
            {one.label || `Microphone ${index + 1}`}
          </option>
        ))}
      </select>
      {speakers.length > 1 && (
        <select
          class="device"
          aria-label="Speaker"
          onChange={({ currentTarget }) => void leg.chooseSpeaker(currentTarget.value)}
        >
          {speakers.map((one, index) => (
            <option key={one.deviceId} value={one.deviceId}>
              {one.label || `Speaker ${index + 1}`}
            </option>
          ))}
        </select>
      )}
    </>
  );
}
