/**
 * The promise 1-5-20 of an incident: which of dispatch, arrival and resolution is reached, when the next is due, what was missed.
 * Knows no clock and no page; moments are milliseconds since 1970.
 */
import { STATES, type Incident, type State } from "./answers";

export const GOALS = ["dispatch", "on_scene", "resolve"] as const;
export type Goal = (typeof GOALS)[number];

const REACHED_BY: Record<Goal, State> = { dispatch: "dispatched", on_scene: "on_scene", resolve: "resolved" };

export type Leg =
  | { goal: Goal; status: "none" }
  | { goal: Goal; status: "met" | "late"; took: number; at: number }
  | { goal: Goal; status: "running"; left: number; due: number; share: number }
  | { goal: Goal; status: "missed"; over: number; due: number };

export function reached(state: State, goal: State): boolean {
  return STATES.indexOf(state) >= STATES.indexOf(goal);
}

/** When a goal was reached: a step that was skipped counts from the first later one. */
function reachedAt(incident: Incident, goal: Goal): number | null {
  const { dispatched_at, acknowledged_at, on_scene_at, resolved_at } = incident;
  const stamps = { dispatch: [dispatched_at, acknowledged_at], on_scene: [on_scene_at], resolve: [resolved_at] }[goal];
  const at = [...stamps, on_scene_at, resolved_at, incident.closed_at].find((stamp) => stamp !== null);
  return at == null ? null : Date.parse(at);
}

export function leg(incident: Incident, goal: Goal, now: number): Leg {
  const due = incident[`${goal}_due_at`];
  const raised = Date.parse(incident.raised_at);
  if (reached(incident.state, REACHED_BY[goal])) {
    const at = reachedAt(incident, goal);
    if (at === null || due === null) return { goal, status: "none" };
    const late = incident.overdue.includes(goal) || at > Date.parse(due);
    return { goal, status: late ? "late" : "met", took: at - raised, at };
  }
  if (due === null) return { goal, status: "none" };
  const end = Date.parse(due);
  if (now >= end || incident.overdue.includes(goal)) {
    return { goal, status: "missed", over: Math.max(0, now - end), due: end };
  }
  const span = Math.max(1, end - raised);
  return { goal, status: "running", left: end - now, due: end, share: Math.min(1, Math.max(0, (now - raised) / span)) };
}

export function legs(incident: Incident, now: number): Leg[] {
  return GOALS.map((goal) => leg(incident, goal, now));
}

/** The deadline that counts now: the first that is neither reached nor absent. */
export function nextLeg(incident: Incident, now: number): Leg | null {
  return legs(incident, now).find((it) => it.status === "running" || it.status === "missed") ?? null;
}
