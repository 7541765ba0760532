/** The time that a history shows: one that ends now, or two fixed moments. Knows no view. Milliseconds since 1970. */

export const RANGES = ["15m", "1h", "6h", "24h", "7d", "30d"] as const;
export type RangeName = (typeof RANGES)[number];

const HOUR = 3_600_000;
const LENGTHS: Readonly<Record<RangeName, number>> = {
  "15m": HOUR / 4,
  "1h": HOUR,
  "6h": 6 * HOUR,
  "24h": 24 * HOUR,
  "7d": 7 * 24 * HOUR,
  "30d": 30 * 24 * HOUR,
};

export type Range = { name: RangeName } | { name: "custom"; from: number; to: number };

export function rangeOf(query: URLSearchParams): Range {
  const [from, to] = [Number(query.get("from")), Number(query.get("to"))];
  if (from > 0 && to > from) return { name: "custom", from, to };
  const name = RANGES.find((it) => it === query.get("range"));
  return { name: name ?? "1h" };
}

export function spanOf(range: Range, now: number): { from: number; to: number } {
  return range.name === "custom" ? { from: range.from, to: range.to } : { from: now - LENGTHS[range.name], to: now };
}

export function queryOf(range: Range): Record<string, string> {
  if (range.name !== "custom") return { range: range.name, from: "", to: "" };
  return { range: "", from: String(Math.round(range.from)), to: String(Math.round(range.to)) };
}
