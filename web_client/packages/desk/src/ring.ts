/**
 * The ring of an offer: two soft tones, repeated while it rings. Browsers allow sound only after a click
 * or key, so the audio context is made in the first one; until then `allowed` is false.
 */
const EVERY_MS = 2_400;
const TONES = [
  { hz: 659, at: 0 },
  { hz: 880, at: 0.22 },
  { hz: 659, at: 0.5 },
  { hz: 880, at: 0.72 },
] as const;

export class Ring {
  private context: AudioContext | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly create: () => AudioContext = () => new AudioContext()) {}

  get ringing(): boolean {
    return this.timer !== undefined;
  }

  get allowed(): boolean {
    return this.context?.state === "running";
  }

  /** In a click or key: from now on sound may be made. */
  unlock(): void {
    this.context ??= this.create();
    void this.context.resume().catch(() => undefined);
  }

  start(): void {
    if (this.timer !== undefined) return;
    this.timer = setInterval(() => this.once(), EVERY_MS);
    this.once();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private once(): void {
    const { context } = this;
    if (context === null || context.state !== "running") return;
    for (const { hz, at } of TONES) {
      const begin = context.currentTime + at;
      const tone = context.createOscillator();
      const loudness = context.createGain();
      tone.frequency.value = hz;
      loudness.gain.setValueAtTime(0, begin);
      loudness.gain.linearRampToValueAtTime(0.18, begin + 0.02);
      loudness.gain.exponentialRampToValueAtTime(0.001, begin + 0.34);
      tone.connect(loudness).connect(context.destination);
      tone.start(begin);
      tone.stop(begin + 0.36);
    }
  }
}
