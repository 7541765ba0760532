/** Incidents as the API tells them, for the tests. */
import type { Incident } from "../src/answers";

export const RAISED = Date.parse("2026-11-22T00:00:00Z");

export const at = (seconds: number): string => new Date(RAISED + seconds * 1000).toISOString();

export function incident(more: Partial<Incident> = {}): Incident {
  return {
    id: "inc-000001",
    site: "home",
    zone: "home/garage",
    zone_name: { zh: "车库", en: "Garage" },
    group: "fire",
    kind: "FIRE",
    state: "raised",
    condition: "active",
    title: { zh: "感烟报警", en: "Smoke alarm" },
    raised_at: at(0),
    station: "post",
    suspected: false,
    alarms: 1,
    rules: ["smoke-alarm"],
    devices: ["home/smoke-1"],
    last_device: "home/smoke-1",
    dispatched_at: null,
    acknowledged_at: null,
    on_scene_at: null,
    resolved_at: null,
    closed_at: null,
    dispatch_due_at: at(60),
    on_scene_due_at: at(300),
    resolve_due_at: at(1200),
    disposition: null,
    overdue: [],
    measured_at: null,
    sensed_at: null,
    acknowledged_by: "",
    warned: [],
    handed_over_at: null,
    lead: "",
    members: 0,
    withheld: "",
    exercise: "",
    revision: 1,
    ...more,
  };
}
