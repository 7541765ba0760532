/** The months that a report can be about, by China's calendar (monitor/reports/periods.py). Knows no page. */

const CHINA_MS = 8 * 3_600_000;
const OFFERED = 24;

/** `2026-11`, the present one first. */
export function months(now: number): string[] {
  const today = new Date(now + CHINA_MS);
  const count = today.getUTCFullYear() * 12 + today.getUTCMonth();
  return Array.from({ length: OFFERED }, (_, n) => {
    const month = count - n;
    return `${Math.floor(month / 12)}-${String((month % 12) + 1).padStart(2, "0")}`;
  });
}
