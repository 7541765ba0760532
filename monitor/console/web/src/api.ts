/**
 * Asking the daemon: one function for each kind of question, one error that says what went wrong.
 * Knows no page; who must log in again is told through `onUnauthorized`.
 */
import type {
  BucketSeries,
  Coverage,
  Device,
  DevicePage,
  Disposition,
  Incident,
  IncidentDetail,
  IncidentPage,
  List,
  Measure,
  Quantity,
  RawSeries,
  ReportLink,
  Rule,
  Station,
  StationList,
  Suppression,
  Trouble,
  Zone,
} from "./answers";
import { learn } from "./clock";

const API = "/api/v1";
const PATIENCE_MS = 15_000;

/** `status` 0: the daemon was not reached, or did not answer in time. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
  ) {
    super(detail || `HTTP ${status}`);
  }
}

let unauthorized = (): void => undefined;

/** Called whenever the daemon says that nobody is logged in. */
export function onUnauthorized(then: () => void): void {
  unauthorized = then;
}

async function problemOf(answer: Response): Promise<ApiError> {
  const text = await answer.text().catch(() => "");
  try {
    const problem = JSON.parse(text) as { detail?: unknown };
    return new ApiError(answer.status, typeof problem.detail === "string" ? problem.detail : "");
  } catch {
    return new ApiError(answer.status, text.slice(0, 200));
  }
}

/** An answer that is not an error; otherwise throws ApiError. An answer without end needs endless patience. */
export async function ask(path: string, options: RequestInit = {}, patience = PATIENCE_MS): Promise<Response> {
  const given = options.signal;
  const cut = new AbortController();
  const abort = (): void => cut.abort();
  const timer = Number.isFinite(patience) ? setTimeout(abort, patience) : undefined;
  given?.addEventListener("abort", abort);
  if (given?.aborted) abort();
  let answer: Response;
  try {
    answer = await fetch(`${API}${path}`, { ...options, cache: "no-store", signal: cut.signal });
  } catch (error) {
    if (given?.aborted) throw error;
    throw new ApiError(0, error instanceof Error ? error.message : "");
  } finally {
    clearTimeout(timer);
  }
  if (answer.ok) return answer;
  if (answer.status === 401) unauthorized();
  throw await problemOf(answer);
}

async function get<T>(path: string, query: Record<string, string | number> = {}, signal?: AbortSignal): Promise<T> {
  const asked = Object.entries(query).map(([name, value]) => [name, String(value)]);
  const search = asked.length > 0 ? `?${new URLSearchParams(asked)}` : "";
  const sent = Date.now();
  const answer = await ask(path + search, signal ? { signal } : {});
  const received = Date.now();
  const body = (await answer.json()) as T & { now?: string };
  if (typeof body.now === "string") learn(body.now, sent, received);
  return body;
}

async function post<T>(path: string, body: object): Promise<T> {
  const headers = { "Content-Type": "application/json" };
  const answer = await ask(path, { method: "POST", headers, body: JSON.stringify(body) });
  return (await answer.json()) as T;
}

const everything = async <T>(path: string): Promise<T[]> => (await get<List<T>>(path)).items;

export const readZones = (): Promise<Zone[]> => everything("/zones");
export const readStations = (): Promise<StationList> => get("/stations");
export const readRules = (): Promise<Rule[]> => everything("/rules");
export const readTroubles = (): Promise<Trouble[]> => everything("/troubles");
export const readQuantities = (): Promise<Quantity[]> => everything("/quantities");
/** The measures in force. */
export const readMeasures = (): Promise<Suppression[]> => everything("/suppressions");
export const readCoverage = (): Promise<Coverage> => get("/coverage");

export const readOpenIncidents = (before: string | null): Promise<IncidentPage> =>
  get("/incidents", { open: "true", limit: 1000, ...(before ? { before } : {}) });

export const readIncidents = (before: string | null, limit: number): Promise<IncidentPage> =>
  get("/incidents", { limit, ...(before ? { before } : {}) });

export const readIncident = (id: string): Promise<IncidentDetail> => get(`/incidents/${encodeURIComponent(id)}`);

export const readDevices = (zone: string, after: string | null, signal: AbortSignal): Promise<DevicePage> =>
  get("/devices", { limit: 1000, ...(zone ? { zone } : {}), ...(after ? { after } : {}) }, signal);

/** A device's key holds slashes, and they stay as they are. */
export const readDevice = (key: string, signal?: AbortSignal): Promise<Device> =>
  get(`/devices/${key.split("/").map(encodeURIComponent).join("/")}`, {}, signal);

export interface Span {
  device: string;
  quantity: string;
  /** Milliseconds since 1970. */
  from: number;
  to: number;
}

export function readingsQuery(span: Span, more: Record<string, string>): string {
  const { device, quantity, from, to } = span;
  const moments = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
  return `/readings?${new URLSearchParams({ device, quantity, ...moments, ...more })}`;
}

export const readRaw = (span: Span, limit: number, signal: AbortSignal): Promise<RawSeries> =>
  get(readingsQuery(span, { limit: String(limit) }), {}, signal);

export const readBuckets = (span: Span, step: string, signal: AbortSignal): Promise<BucketSeries> =>
  get(readingsQuery(span, { step }), {}, signal);

export type Verb = "acknowledge" | "on-scene" | "resolve" | "reset" | "close" | "notes";

export interface Wish {
  by: string;
  note: string;
  disposition?: Disposition;
}

export const move = (incident: string, verb: Verb, wish: Wish): Promise<Incident> =>
  post(`/incidents/${encodeURIComponent(incident)}/${verb}`, wish);

export interface Order {
  measure: Measure;
  subject: string;
  rule: string;
  why: string;
  compensation: string;
  /** RFC 3339. */
  until: string;
  by: string;
}

export const suppress = (order: Order): Promise<Suppression> => post("/suppressions", order);

/** A drill at one detector: announced, and a reading made up for it at the sensor's own topic. */
export const startDrill = (order: { device: string; by: string; why: string; minutes: number }): Promise<unknown> => post("/drills", order);

export const restore = (id: string, by: string): Promise<Suppression> =>
  post(`/suppressions/${encodeURIComponent(id)}/restore`, { by });

export interface Stand {
  leaves: string;
  takes: string;
  since: string;
  until: string;
  by: string;
}

export const swap = (station: string, stand: Stand): Promise<Station> =>
  post(`/stations/${encodeURIComponent(station)}/swaps`, stand);

export const readReportLink = (zone: string, signal: AbortSignal): Promise<ReportLink> =>
  get(`/zones/${zone.split("/").map(encodeURIComponent).join("/")}/report-link`, {}, signal);

/** The address of a report, for a link: the browser opens or saves it by itself. */
export const reportHref = (name: "sla" | "nuisance", query: Record<string, string>): string =>
  `${API}/reports/${name}?${new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ""))}`;

export const photoHref = (name: string): string => `${API}/photos/${encodeURIComponent(name)}`;
export const readContact = (report: string): Promise<{ contact: string }> => get(`/contacts/${encodeURIComponent(report)}`);

export const incidentReportHref = (id: string): string => `${API}/incidents/${encodeURIComponent(id)}/report`;

export interface PushOffer {
  public_key: string;
  people: string[];
}

export const readPushOffer = (): Promise<PushOffer> => get("/webpush");

export const subscribeBrowser = (subscription: PushSubscriptionJSON, person: string): Promise<unknown> =>
  post("/webpush", { ...subscription, person });

export const forgetBrowser = (endpoint: string): Promise<unknown> => post("/webpush/forget", { endpoint });

export const readSession = async (): Promise<void> => void (await ask("/session"));
export const logIn = (token: string): Promise<unknown> => post("/session", { token });
export const logOut = async (): Promise<void> => void (await ask("/session", { method: "DELETE" }));
