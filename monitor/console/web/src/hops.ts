/**
 * Where the time went from what a device sensed until a person took it on: device, rule, push, human (monitor/reports/responses.py).
 * Knows no view and no clock; milliseconds throughout.
 */
import type { Entry, Incident } from "./answers";
import { answered } from "./order";

export const HOPS = ["device", "rule", "push", "human"] as const;

export interface Hop {
  hop: (typeof HOPS)[number];
  took: number;
  /** It is not over: `took` is until now. */
  running: boolean;
}

const moment = (at: string | null): number | null => (at === null ? null : Date.parse(at));

/** When the present danger was raised; null when the record knows it better: what went before the first alarm is known of the first alone. */
function raisedAgain(timeline: readonly Entry[]): number | null {
  const last = timeline.findLast((entry) => entry.step === "realarm");
  return last ? Date.parse(last.at) : null;
}

/** Of what somebody was, or is to be, dispatched for; empty for anything else. A hop that nobody knows is left out. */
export function hopsOf(incident: Incident, timeline: readonly Entry[], now: number): Hop[] {
  if (incident.withheld !== "" || incident.lead !== "" || incident.suspected) return [];
  if (incident.dispatch_due_at === null && incident.dispatched_at === null) return [];
  const again = raisedAgain(timeline);
  const from = again ?? Date.parse(incident.raised_at);
  const confirmed = timeline.find((entry) => entry.step === "confirmed" && Date.parse(entry.at) >= from);
  const dispatched = moment(incident.dispatched_at);
  const proven = confirmed ? Date.parse(confirmed.at) : null;
  // Doubtful evidence sends nobody: until it was proven, it is the rule that waited.
  const sure = proven !== null && (dispatched === null || proven <= dispatched) ? proven : from;
  const measured = again === null ? moment(incident.measured_at) : null;
  const sensed = again === null ? moment(incident.sensed_at) : null;
  const acknowledged = moment(incident.acknowledged_at);
  const over = answered(incident);

  const found: Hop[] = [];
  const add = (hop: Hop["hop"], since: number | null, until: number | null, running = false): void => {
    if (since !== null && until !== null && until >= since) found.push({ hop, took: until - since, running });
  };
  if (sensed !== null) add("device", measured, sensed);
  add("rule", sensed ?? (sure > from ? from : null), sure);
  if (dispatched !== null) add("push", sure, dispatched);
  else if (!over) add("push", sure, now, true);
  // Who saw it on the board before any provider had taken a call: all of it was theirs.
  if (acknowledged !== null) add("human", dispatched ?? sure, acknowledged);
  else if (dispatched !== null && !over) add("human", dispatched, now, true);
  return found;
}
