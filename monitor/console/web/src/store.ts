/**
 * What the page knows: open incidents, places, rules, troubles, and whether it is up to date. Filled from the API, kept so by the stream.
 * Knows no view.
 */
import { batch, computed, signal } from "@preact/signals";
import * as api from "./api";
import type { Coverage, Entry, Incident, Quantity, Rule, Station, Suppression, Trouble, Zone } from "./answers";
import { serverNow } from "./clock";
import { pictureOf } from "./picture";
import { followTogether } from "./sharing";
import type { ServerEvent } from "./sse";

/** `since`: the last word of the daemon, in milliseconds by its own clock. */
export type Link = { state: "connecting" | "live" } | { state: "lost"; since: number };

export const link = signal<Link>({ state: "connecting" });
export const live = computed(() => link.value.state === "live");

export const incidents = signal<readonly Incident[]>([]);
/** Whether `incidents` was ever filled: an empty board must not claim that all is quiet before. */
export const loaded = signal(false);
/** What the board shows of them. */
export const picture = computed(() => pictureOf(incidents.value));
/** Those that may be real, the most urgent first. */
export const open = computed(() => picture.value.real);
/** The newest entry of the stream; views that show a timeline read again when it is theirs. */
export const newest = signal<Entry | null>(null);
/** Counts the connections: whoever shows something reads it again when it changes. */
export const epoch = signal(0);

export const coverage = signal<Coverage | null>(null);
export const troubles = signal<readonly Trouble[]>([]);
/** In force, by id. */
export const measures = signal<ReadonlyMap<string, Suppression>>(new Map());
export const zones = signal<ReadonlyMap<string, Zone>>(new Map());
export const stations = signal<ReadonlyMap<string, Station>>(new Map());
/** Channel → its kind. */
export const channels = signal<ReadonlyMap<string, string>>(new Map());
export const rules = signal<ReadonlyMap<string, Rule>>(new Map());
export const quantities = signal<ReadonlyMap<string, Quantity>>(new Map());

const MAX_PAGES = 5;
const BOARD_MS = 10_000;

/** Read all open incidents; the position to follow the stream from. */
async function readBoard(): Promise<number> {
  const first = await api.readOpenIncidents(null);
  const items = [...first.items];
  let next = first.next;
  for (let page = 1; next !== null && page < MAX_PAGES; page++) {
    const following = await api.readOpenIncidents(next);
    items.push(...following.items);
    next = following.next;
  }
  batch(() => {
    incidents.value = items;
    loaded.value = true;
  });
  return first.position;
}

const MAX_REST_MS = 1000;

/**
 * Runs `work` once more for any number of calls that came while it ran, after resting for as long as it took: in a flood of news the page
 * still answers to the hand. A failure is answered by the next connection.
 */
function coalesced(work: () => Promise<unknown>): () => void {
  let running = false;
  let again = false;
  return function run(): void {
    if (running) {
      again = true;
      return;
    }
    running = true;
    const began = performance.now();
    void work()
      .catch((error: unknown) => failed(error))
      .finally(() => {
        const rest = Math.min(MAX_REST_MS, performance.now() - began);
        setTimeout(() => {
          running = false;
          if (again) {
            again = false;
            run();
          }
        }, rest);
      });
  };
}

/** Reading after news failed: what is shown may be old until it succeeds. */
function failed(error: unknown): void {
  // That the network is away is said by the red bar.
  if (!(error instanceof api.ApiError && error.status === 0)) console.warn("reading failed", error);
  setTimeout(refresh, 1000);
}

export const refresh = coalesced(readBoard);

/** An answer to a move is newer than what we have. */
export function learnIncident(incident: Incident): void {
  const others = incidents.value.filter((it) => it.id !== incident.id);
  const known = incidents.value.find((it) => it.id === incident.id);
  if (known && known.revision > incident.revision) return;
  incidents.value = incident.state === "closed" ? others : [...others, incident];
}

const byKey = <T>(items: readonly T[], key: (item: T) => string): Map<string, T> =>
  new Map(items.map((item) => [key(item), item]));

/** What the site file and the book say: read at each connection, since the daemon may have been started anew. */
export const readSite = coalesced(async () => {
  const [z, s, r, q] = await Promise.all([api.readZones(), api.readStations(), api.readRules(), api.readQuantities()]);
  batch(() => {
    zones.value = byKey(z, (it) => it.key);
    stations.value = byKey(s.items, (it) => it.key);
    channels.value = new Map(Object.entries(s.channels));
    rules.value = byKey(r, (it) => it.id);
    quantities.value = byKey(q, (it) => it.name);
  });
});

export const readHealth = coalesced(async () => {
  const [c, t, m] = await Promise.all([api.readCoverage(), api.readTroubles(), api.readMeasures()]);
  batch(() => {
    coverage.value = c;
    troubles.value = t;
    measures.value = byKey(m, (it) => it.id);
  });
});

function onEvent(event: ServerEvent): void {
  if (event.event === "entry") newest.value = JSON.parse(event.data) as Entry;
  // A measure that is spoken of was perhaps taken a moment ago.
  const told = newest.peek();
  if (told?.step === "withheld" || told?.detail["exercise"]) readHealth();
  if (event.event === "reset") epoch.value++;
  refresh();
}

/** Follow the daemon until `stop`. */
export function start(stop: AbortSignal): void {
  const health = setInterval(() => live.value && readHealth(), BOARD_MS);
  stop.addEventListener("abort", () => clearInterval(health));
  void followTogether(
    {
      begin: readBoard,
      live: () => {
        batch(() => {
          link.value = { state: "live" };
          epoch.value++;
        });
        refresh();
        readSite();
        readHealth();
      },
      lost: (heard) => {
        if (link.value.state === "lost") return;
        link.value = { state: "lost", since: serverNow() - (heard === null ? 0 : Date.now() - heard) };
      },
      event: onEvent,
    },
    stop,
  );
}
