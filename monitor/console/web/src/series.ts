/** Series of readings, made ready to be drawn: how fine to ask, where a line must break. Knows no chart and no request. */

export interface Point {
  /** Milliseconds since 1970. */
  at: number;
  mean: number | null;
  min: number | null;
  max: number | null;
}

export interface Series {
  points: Point[];
  /** Seconds of a step; null for raw values. */
  step: number | null;
  samples: number;
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400, 7 * 86_400];

/** Up to this long raw values are asked for first. */
export const RAW_MS = 2 * 3_600_000;
export const RAW_LIMIT = 4000;

/** Seconds of a step so that a span has at most `count` of them. */
export function stepFor(ms: number, count = 600): number {
  const least = ms / 1000 / count;
  return STEPS.find((step) => step >= least) ?? Math.ceil(least / 86_400) * 86_400;
}

/** As the API reads it: `90s` → `90s`, `120` → `2m`. */
export function stepText(seconds: number): string {
  if (seconds % 86_400 === 0) return `${seconds / 86_400}d`;
  if (seconds % 3600 === 0) return `${seconds / 3600}h`;
  if (seconds % 60 === 0) return `${seconds / 60}m`;
  return `${seconds}s`;
}

/** A line that connects the two sides of a silence would tell what nobody measured: a point without value breaks it. */
export function withGaps(points: readonly Point[], step: number | null): Point[] {
  const steps = points.slice(1).map((point, i) => point.at - (points[i]?.at ?? 0));
  const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
  const patience = step === null ? Math.max(60_000, usual * 5) : step * 2500;
  const out: Point[] = [];
  for (const point of points) {
    const before = out.at(-1);
    if (before && point.at - before.at > patience) {
      out.push({ at: (before.at + point.at) / 2, mean: null, min: null, max: null });
    }
    out.push(point);
  }
  return out;
}

/** Where a chart begins that would have begun at `from`: not long before the first reading, and before what it is about. */
export function beginning(from: number, about: number, to: number, points: readonly Point[]): number {
  const first = points.reduce((least, { at }) => Math.min(least, at), about);
  return Math.max(from, first - Math.max(5000, (to - first) * 0.03));
}

/** Quantities that tell of a fire or its cause, the plainest first. */
const MAIN = [
  "smoke_density",
  "temperature",
  "thermal_max",
  "port_temperature",
  "co",
  "gas_lel",
  "power",
  "current",
  "smoke_level",
  "leakage_current",
  "pressure",
  "dwell",
  "vehicle_count",
  "level",
  "flow",
];

/** Does it tell of a fire or its cause? */
export const isMain = (name: string): boolean => MAIN.includes(name);

/** Names of numbers, those that were asked about first, then the main ones in their order, then the others. */
export function rankQuantities(names: Iterable<string>, first: Iterable<string> = []): string[] {
  const wanted = new Set(first);
  const rank = (name: string): number => (MAIN.includes(name) ? MAIN.indexOf(name) : MAIN.length);
  return [...new Set(names)].sort(
    (a, b) => Number(wanted.has(b)) - Number(wanted.has(a)) || rank(a) - rank(b) || a.localeCompare(b),
  );
}
