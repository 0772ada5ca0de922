/** The receipt of a yes: what was agreed to, and the hash of the words that were shown. */
import type { Consent } from "@talknow/protocol";
import { LANGUAGE, sha256, TEXT } from "./text.ts";

const WORDINGS: Partial<Record<Consent["capability"], string>> = {
  audio: TEXT.voiceWording,
  video: TEXT.videoWording,
  screen: TEXT.screenWording,
  point: TEXT.pointWording,
  control: TEXT.controlWording,
  record: TEXT.recordWording,
};

/** wording: the words that were shown, where the site makes a part of them. */
export async function consentTo(capability: Consent["capability"], wording?: string): Promise<Consent> {
  const shown = wording ?? WORDINGS[capability] ?? "";
  return { capability, wording_sha256: await sha256(shown), language: LANGUAGE };
}
