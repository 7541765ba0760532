/** Who was called since the danger was raised, and how far each call came. Knows no view and no clock; moments are milliseconds since 1970. */
import type { Entry, Push, Words } from "./answers";

export type Reach = "accepted" | "waiting" | "retrying" | "failed" | "withdrawn";

export interface Way {
  channel: string;
  /** The best that became of the calls over it. */
  reach: Reach;
  times: number;
  /** When the provider took it; null while none has. */
  at: number | null;
}

export interface Called {
  /** Of the person; of a station's own channels `station:` and its key. */
  key: string;
  name: Words | null;
  /** Empty for a station. */
  role: string;
  station: Words | null;
  ways: Way[];
  /** When the first call went out. */
  since: number;
  /** When this person acknowledged; null when not. */
  acknowledged: number | null;
}

const CALLS: ReadonlySet<string> = new Set(
  ["dispatch", "call", "reinforce", "handover", "overdue", "verify"].map((it) => `incident.${it}`),
);
const REACHES: readonly Reach[] = ["accepted", "waiting", "retrying", "failed", "withdrawn"];
const OUTCOMES: Readonly<Record<string, Reach>> = {
  accepted: "accepted",
  retry: "retrying",
  dead: "failed",
  withdrawn: "withdrawn",
};

/** When danger was raised last: who was called before that was called for something that is over. */
function raisedAt(timeline: readonly Entry[]): number {
  const last = timeline.findLast((entry) => entry.step === "raised" || entry.step === "realarm");
  return last ? Date.parse(last.at) : 0;
}

const way = (step: unknown, channel: unknown, to: unknown): string => `${step}/${channel}@${to ?? ""}`;

/** By whoever was called first. */
export function whoWasCalled(pushes: readonly Push[], timeline: readonly Entry[]): Called[] {
  const since = raisedAt(timeline);
  const taken = new Map<string, number>();
  const accepted = new Map<string, number>();
  for (const { step, detail, at } of timeline) {
    if (step === "push_accepted") accepted.set(way(detail["step"], detail["channel"], detail["to"]), Date.parse(at));
    if (step === "acknowledged" && Date.parse(at) >= since) {
      const by = String(detail["by"]);
      taken.set(by, taken.get(by) ?? Date.parse(at));
    }
  }
  const found = new Map<string, Called>();
  for (const push of [...pushes].sort((a, b) => a.at.localeCompare(b.at))) {
    const { to, station, type } = push.body;
    if (Date.parse(push.at) < since || !CALLS.has(type ?? "")) continue;
    const key = to ? to.key : `station:${station?.key ?? ""}`;
    const who = found.get(key) ?? {
      key,
      name: to ? to.name : (station?.name ?? null),
      role: to?.role ?? "",
      station: station?.name ?? null,
      ways: [],
      since: Date.parse(push.at),
      acknowledged: to ? (taken.get(to.name.zh) ?? taken.get(to.name.en) ?? taken.get(to.key) ?? null) : null,
    };
    found.set(key, who);
    add(who.ways, push, accepted.get(way(push.step, push.channel, to?.key)) ?? null);
  }
  return [...found.values()];
}

function add(ways: Way[], push: Push, at: number | null): void {
  const reach = OUTCOMES[push.outcome] ?? "waiting";
  const known = ways.find((it) => it.channel === push.channel);
  if (known === undefined) return void ways.push({ channel: push.channel, reach, times: 1, at });
  known.times++;
  known.at ??= at;
  if (REACHES.indexOf(reach) < REACHES.indexOf(known.reach)) known.reach = reach;
}
