/** Names of people and of stations above, as pushes tell them: the site's list of stations has neither. Knows no view. */
import { signal } from "@preact/signals";
import type { Push, Words } from "./answers";
import { pick } from "./i18n";
import { stations } from "./store";

const names = signal<ReadonlyMap<string, Words>>(new Map());

export function learnNames(pushes: readonly Push[]): void {
  const told = pushes.flatMap(({ body }) => [body.to ?? [], body.station ?? []].flat());
  const fresh = told.filter(({ key }) => !names.peek().has(key));
  if (fresh.length > 0) names.value = new Map([...names.peek(), ...fresh.map(({ key, name }) => [key, name] as const)]);
}

/** Of a person; the key while nobody has told it. */
export function personName(key: string): string {
  const known = names.value.get(key);
  return known ? pick(known) : key;
}

export function stationName(key: string): string {
  const station = stations.value.get(key);
  return station ? pick(station.name) : personName(key);
}
