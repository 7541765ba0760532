/**
 * What the board shows of the open incidents: real ones with a flood as one picture, drills and withheld ones apart.
 * Knows no page. Nothing is ever left out: each incident stands in exactly one place.
 */
import type { Incident } from "./answers";
import { byUrgency, rank } from "./order";

export interface Scene {
  incident: Incident;
  /** In a flood: what goes under its dispatches, the first and gravest first. */
  members: Incident[];
}

export interface Picture {
  /** The most urgent first. */
  scenes: Scene[];
  /** Everything that may be real, flood members too: what the counts count. */
  real: Incident[];
  drills: Incident[];
  withheld: Incident[];
}

/** A device in test is withheld too: what is withheld goes before what is made up. */
export type Look = "real" | "drill" | "withheld";

export function lookOf(incident: Incident): Look {
  return incident.withheld !== "" ? "withheld" : incident.exercise !== "" ? "drill" : "real";
}

/** Whether another card speaks for this one. What is graver or surer than its lead, or burns on when that is done, has its own. */
function speaksFor(lead: Incident | undefined, member: Incident): lead is Incident {
  if (lead === undefined || lead === member || lead.lead !== "") return false;
  if (lead.suspected && !member.suspected) return false;
  return rank(member.kind) >= rank(lead.kind) && (lead.state !== "resolved" || member.state === "resolved");
}

export function pictureOf(open: readonly Incident[]): Picture {
  const sorted = [...open].sort(byUrgency);
  const of = (look: Look): Incident[] => sorted.filter((incident) => lookOf(incident) === look);
  const real = of("real");
  const byId = new Map(real.map((incident) => [incident.id, incident]));
  const scenes = new Map<string, Scene>();
  const members: [Incident, Incident][] = [];
  for (const incident of real) {
    const lead = byId.get(incident.lead);
    if (incident.lead !== "" && speaksFor(lead, incident)) members.push([lead, incident]);
    else scenes.set(incident.id, { incident, members: [] });
  }
  for (const [lead, member] of members) scenes.get(lead.id)?.members.push(member);
  return { scenes: [...scenes.values()], real, drills: of("drill"), withheld: of("withheld") };
}
