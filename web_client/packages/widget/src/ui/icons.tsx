/** Line icons drawn as SVG elements: no image request, no font, nothing a strict policy forbids. */
const PATHS = {
  chat: "M4 5h16v11H9l-5 4z",
  close: "M6 6l12 12M18 6L6 18",
  down: "M6 9l6 6 6-6",
  phone:
    "M6.5 3.5l3 1 1 4-2 1.5a11 11 0 0 0 5.5 5.5l1.5-2 4 1 1 3c0 1.7-1.3 3-3 3C10.600 20.500 3.500 13.400 3.500 6.500c0-1.700 1.300-3 3-3z",
  mic: "M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM5.500 11a6.500 6.500 0 0 0 13 0M12 17.500V21",
  micOff:
    "M9 9v2a3 3 0 0 0 4.500 2.600M15 10V6a3 3 0 0 0-5.700-1.300M5.500 11a6.500 6.500 0 0 0 10 5.500M18.500 11c0 .8-.1 1.500-.4 2.200M12 17.500V21M4 4l16 16",
  camera: "M3.500 7h11v10h-11zM14.500 10.500l6-3v9l-6-3",
  cameraOff: "M14.500 13.500V7H8M3.500 7v10h11M14.500 10.500l6-3v9l-3-1.500M3 3l18 18",
  screen: "M3.500 5h17v11h-17zM9 20h6M12 16v4M12 13V8.500M9.500 10.500L12 8l2.500 2.500",
  hangUp: "M3 13.500c5-5 13-5 18 0l-1.500 3-4-1-.5-2.500a11 11 0 0 0-6 0l-.5 2.500-4 1z",
  send: "M4 12l16-8-5 16-3.500-6.500z",
  clip: "M19 11l-7.500 7.500a4.600 4.600 0 0 1-6.500-6.500l8-8a3 3 0 0 1 4.300 4.300l-8 8a1.500 1.500 0 0 1-2.100-2.100l7-7",
  smile:
    "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17zM8.500 14.500c1.800 2.300 5.200 2.300 7 0M9 9.500v.5M15 9.500v.5",
  file: "M6 3.500h8l4 4v13H6zM14 3.500v4h4",
  check: "M5 12.500l4.500 4.500L19 7.500",
  checks: "M2.500 12.500L7 17l9-9.500M11 16l1 1 9-9.500",
  clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4l2.500 2",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
