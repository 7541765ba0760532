/**
 * What the page knows: open incidents, places, rules, troubles, and whether it is up to date. Filled from the API, kept so by the stream.
 * Knows no view.
 */
import { batch, computed, signal } from "@preact/signals";
import * as api from "./api";
import type { Coverage, Entry, Incident, Quantity, Rule, Station, Trouble, Zone } from "./answers";
import { serverNow } from "./clock";
import { byUrgency } from "./order";
import { followTogether } from "./sharing";
import type { ServerEvent } from "./sse";

/** `since`: the last word of the daemon, in milliseconds by its own clock. */
export type Link = { state: "connecting" | "live" } | { state: "lost"; since: number };

export const link = signal<Link>({ state: "connecting" });
export const live = computed(() => link.value.state === "live");

export const incidents = signal<readonly Incident[]>([]);
/** Whether `incidents` was ever filled: an empty board must not claim that all is quiet before. */
export const loaded = signal(false);
export const open = computed(() => [...incidents.value].sort(byUrgency));
/** The newest entry of the stream; views that show a timeline read again when it is theirs. */
export const newest = signal<Entry | null>(null);
/** Counts the connections: whoever shows something reads it again when it changes. */
export const epoch = signal(0);

export const coverage = signal<Coverage | null>(null);
export const troubles = signal<readonly Trouble[]>([]);
export const zones = signal<ReadonlyMap<string, Zone>>(new Map());
export const stations = signal<ReadonlyMap<string, Station>>(new Map());
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

/** Runs `work` once more for any number of calls that came while it ran. A failure is answered by the next connection. */
function coalesced(work: () => Promise<unknown>): () => void {
  let running = false;
  let again = false;
  return function run(): void {
    if (running) {
      again = true;
      return;
    }
    running = true;
    void work()
      .catch((error: unknown) => failed(error))
      .finally(() => {
        running = false;
        if (again) {
          again = false;
          run();
        }
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
const readSite = coalesced(async () => {
  const [z, s, r, q] = await Promise.all([api.readZones(), api.readStations(), api.readRules(), api.readQuantities()]);
  batch(() => {
    zones.value = byKey(z, (it) => it.key);
    stations.value = byKey(s, (it) => it.key);
    rules.value = byKey(r, (it) => it.id);
    quantities.value = byKey(q, (it) => it.name);
  });
});

const readHealth = coalesced(async () => {
  const [c, t] = await Promise.all([api.readCoverage(), api.readTroubles()]);
  batch(() => {
    coverage.value = c;
    troubles.value = t;
  });
});

function onEvent(event: ServerEvent): void {
  if (event.event === "entry") newest.value = JSON.parse(event.data) as Entry;
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
