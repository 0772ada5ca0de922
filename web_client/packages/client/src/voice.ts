/** What is asked of a microphone. The loader asks, too, before the rest of this code is there. */
export const VOICE: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
};
