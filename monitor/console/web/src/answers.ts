/** The shapes of what the API answers (docs/api.md). Knows no request and no page. Moments are RFC 3339 in UTC. */

export const KINDS = ["FIRE", "PREALARM", "SUPERVISORY", "FAULT"] as const;
export type Kind = (typeof KINDS)[number];

export const STATES = ["raised", "dispatched", "acknowledged", "on_scene", "resolved", "closed"] as const;
export type State = (typeof STATES)[number];

export type Condition = "active" | "returned" | "latched";

export const DISPOSITIONS = ["fire", "nuisance", "test", "works", "unknown"] as const;
export type Disposition = (typeof DISPOSITIONS)[number];

export type Moment = string;
export type Value = number | boolean | string;

export interface Words {
  zh: string;
  en: string;
}

export interface Incident {
  id: string;
  site: string;
  zone: string;
  zone_name: Words | null;
  group: string;
  kind: Kind;
  state: State;
  condition: Condition;
  title: Words;
  raised_at: Moment;
  station: string;
  suspected: boolean;
  alarms: number;
  rules: string[];
  devices: string[];
  last_device: string;
  dispatched_at: Moment | null;
  acknowledged_at: Moment | null;
  on_scene_at: Moment | null;
  resolved_at: Moment | null;
  closed_at: Moment | null;
  dispatch_due_at: Moment | null;
  on_scene_due_at: Moment | null;
  resolve_due_at: Moment | null;
  disposition: Disposition | null;
  overdue: string[];
  measured_at: Moment | null;
  sensed_at: Moment | null;
  acknowledged_by: string;
  warned: string[];
  handed_over_at: Moment | null;
  /** In a flood: the incident under whose dispatches this one goes. */
  lead: string;
  members: number;
  /** The measure that keeps it from paging. */
  withheld: string;
  /** The drill that it belongs to; never a real danger. */
  exercise: string;
  revision: number;
}

export interface IncidentPage {
  items: Incident[];
  next: Moment | null;
  now: Moment;
  position: number;
}

export interface Entry {
  id: number;
  at: Moment;
  incident: string;
  step: string;
  detail: Record<string, Value | null>;
}

export interface Named {
  key: string;
  name: Words;
}

/** What of a push's message the page looks at; see docs/wire-format.md. */
export interface PushBody {
  type?: string;
  station?: Named | null;
  to?: (Named & { role: string }) | null;
}

export interface Push {
  key: string;
  at: Moment;
  step: string;
  channel: string;
  kind: Kind;
  outcome: string;
  attempts: number;
  reply: string;
  next_at: Moment | null;
  expires_at: Moment;
  body: PushBody;
}

export type Target = "station" | "duty" | "leader" | "neighbour" | "manager" | "residents" | "authority";

export interface IncidentDetail {
  incident: Incident;
  timeline: Entry[];
  pushes: Push[];
  /** Who is called next, unless somebody acknowledges before; null when nobody is. */
  next_call: { at: Moment; targets: Target[] } | null;
  now: Moment;
  position: number;
}

export interface Device {
  key: string;
  site: string;
  kind: string;
  zone: string;
  zone_name: Words | null;
  name: Words;
  online: boolean | null;
  last_at: Moment | null;
  freshness: string | null;
  values: Record<string, Value>;
  alarms: { rule: string; kind: Kind; state: string; incident: string }[];
}

export interface DevicePage {
  items: Device[];
  next: string | null;
}

export interface Zone {
  key: string;
  site: string;
  name: Words;
  kind: string;
  building: string;
  building_name: Words | null;
  stations: string[];
}

export interface Person {
  key: string;
  name: Words;
  role: string;
  channels: string[];
  on_duty: boolean;
}

export interface Swap {
  station: string;
  leaves: string;
  takes: string;
  since: Moment;
  until: Moment;
  by: string;
}

export interface Station {
  key: string;
  name: Words;
  zones: string[];
  recipients: { channel: string; kinds: Kind[] }[];
  /** Only handed over to, like 119. */
  authority: boolean;
  neighbours: string[];
  people: Person[];
  next_change: Moment | null;
  swaps: Swap[];
}

export interface StationList {
  items: Station[];
  /** Name → kind; empty where nobody but the stations' own channels is called. */
  channels: Record<string, string>;
}

export interface Rule {
  id: string;
  kind: Kind;
  title: Words;
  quantities: string[];
  advice: Words | null;
}

export const LACKS = ["none_installed", "impaired", "in_test", "never_heard", "offline", "silent", "fault"] as const;
export type Lack = (typeof LACKS)[number];

/** Detectors of a zone that do not detect, for one reason. */
export interface Gap {
  lack: Lack;
  count: number;
  devices: string[];
  since: Moment | null;
}

export interface ReportLink {
  zone: string;
  name: Words;
  url: string;
  /** The QR code. */
  svg: string;
}

export interface ZoneCoverage {
  zone: string;
  name: Words;
  detectors: number;
  heard: number;
  offline: number;
  live: number;
  covered: boolean;
  gaps: Gap[];
  /** Null while it is covered, and where it is not known. */
  uncovered_since: Moment | null;
  /** The measures by which somebody answers for what is missing. */
  accepted: Suppression[];
}

export interface Coverage {
  zones: number;
  covered: number;
  items: ZoneCoverage[];
}

export interface Trouble {
  source: string;
  detail: string;
  since: Moment;
}

export const MEASURES = ["shelved", "test", "works", "impaired", "drill"] as const;
export type Measure = (typeof MEASURES)[number];

export interface Suppression {
  id: string;
  measure: Measure;
  /** Of a device or zone. */
  subject: string;
  /** Empty where it holds for all. */
  rule: string;
  by: string;
  why: string;
  compensation: string;
  since: Moment;
  until: Moment;
  ended_at: Moment | null;
  ended_by: string;
}

export interface Quantity {
  name: string;
  unit: string;
  kind: "number" | "flag" | "text";
  zh: string;
  en: string;
}

export interface RawSeries {
  points: { at: Moment; value: number }[];
  next: Moment | null;
}

export interface BucketSeries {
  step_seconds: number;
  buckets: { at: Moment; min: number; mean: number; max: number; samples: number }[];
}

export interface List<T> {
  items: T[];
}
