/** What those who cannot see the board are told: each new alarm once. Knows no page. */
import { callOf } from "./alarm";
import type { Incident } from "./answers";

export interface News {
  /** Open incidents that call anew: raised, graver than before, or again in alarm. */
  fresh: Incident[];
  calls: ReadonlySet<string>;
}

/** `before`: the calls that were there; null at the first look, which tells nothing that the board does not. */
export function newsOf(before: ReadonlySet<string> | null, open: readonly Incident[]): News {
  const unresolved = open.filter((incident) => incident.state !== "resolved");
  const fresh = before === null ? [] : unresolved.filter((incident) => !before.has(callOf(incident)));
  return { fresh, calls: new Set(unresolved.map(callOf)) };
}
