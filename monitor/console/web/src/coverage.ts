/** Which zones lack detection, the worst first. Knows no page and no clock. */
import type { ZoneCoverage } from "./answers";

export interface Lacking {
  /** Without any detector that works; those that nobody answers for come first, then the longest. */
  uncovered: ZoneCoverage[];
  /** Some detectors are out, others work. */
  partly: ZoneCoverage[];
  /** How many of the uncovered ones nobody answers for. */
  unanswered: number;
}

const beginning = (zone: ZoneCoverage): string => zone.uncovered_since ?? "";

export function lacking(zones: readonly ZoneCoverage[]): Lacking {
  const uncovered = zones
    .filter((zone) => !zone.covered)
    .sort(
      (a, b) =>
        Number(a.accepted.length > 0) - Number(b.accepted.length > 0) ||
        beginning(a).localeCompare(beginning(b)) ||
        a.zone.localeCompare(b.zone),
    );
  return {
    uncovered,
    partly: zones.filter((zone) => zone.covered && zone.gaps.length > 0),
    unanswered: uncovered.filter((zone) => zone.accepted.length === 0).length,
  };
}
