/**
 * What the open incidents ask the page to sound, decided without a loudspeaker.
 * Knows no audio and no page.
 */
import type { Incident } from "./answers";
import { answered } from "./order";
import { pictureOf } from "./picture";

export type Sounding = "fire" | "prealarm" | "none";

/** A call that sounds until it is answered. A graver kind, or a new alarm after it was resolved, is another call. */
export function callOf(incident: Incident): string {
  return [incident.id, incident.kind, incident.suspected, incident.dispatch_due_at ?? ""].join("/");
}

/**
 * Unanswered fires and prealarms, by the pattern that they sound. A suspected fire asks for a look, so it sounds as a prealarm.
 * Drills and what is withheld never sound so; a flood sounds as its lead.
 */
export function calls(open: readonly Incident[]): Map<string, Sounding> {
  const found = new Map<string, Sounding>();
  for (const { incident } of pictureOf(open).scenes) {
    if (answered(incident)) continue;
    if (incident.kind === "FIRE") found.set(callOf(incident), incident.suspected ? "prealarm" : "fire");
    if (incident.kind === "PREALARM") found.set(callOf(incident), "prealarm");
  }
  return found;
}

export function loudest(soundings: Iterable<Sounding>): Sounding {
  const all = new Set(soundings);
  return all.has("fire") ? "fire" : all.has("prealarm") ? "prealarm" : "none";
}
