/** What a dispatcher must look at first, and which place looks worst. Knows no page. */
import { KINDS, type Incident, type Kind, type ZoneCoverage } from "./answers";
import { reached } from "./promise";

export function rank(kind: Kind): number {
  return KINDS.indexOf(kind);
}

export function answered(incident: Incident): boolean {
  return reached(incident.state, "acknowledged");
}

/** Unresolved before resolved, then the gravest, then those that nobody has answered, then the oldest. */
export function byUrgency(a: Incident, b: Incident): number {
  return (
    Number(a.state === "resolved") - Number(b.state === "resolved") ||
    rank(a.kind) - rank(b.kind) ||
    Number(answered(a)) - Number(answered(b)) ||
    a.raised_at.localeCompare(b.raised_at) ||
    a.id.localeCompare(b.id)
  );
}

export type ZoneLook = Kind | "blind" | "fine";

export interface Tile {
  zone: ZoneCoverage;
  look: ZoneLook;
  /** The incident that gives the tile its look. */
  incident: Incident | null;
}

const LOOKS: readonly ZoneLook[] = [...KINDS, "blind", "fine"];

/** One tile for each zone, the worst first, the others by key. */
export function tiles(zones: readonly ZoneCoverage[], open: readonly Incident[]): Tile[] {
  const worst = new Map<string, Incident>();
  for (const incident of [...open].sort(byUrgency).reverse()) {
    if (incident.state !== "resolved") worst.set(incident.zone, incident);
  }
  const all = zones.map((zone): Tile => {
    const incident = worst.get(zone.zone) ?? null;
    return { zone, incident, look: incident?.kind ?? (zone.covered ? "fine" : "blind") };
  });
  return all.sort((a, b) => LOOKS.indexOf(a.look) - LOOKS.indexOf(b.look) || a.zone.zone.localeCompare(b.zone.zone));
}
