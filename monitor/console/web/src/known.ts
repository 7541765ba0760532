/** Devices that cards and timelines name: each is read once when somebody first needs its name. Knows no view. */
import { signal } from "@preact/signals";
import { readDevice } from "./api";
import type { Device, Incident } from "./answers";
import { pick, t, troubleName } from "./i18n";
import { zones } from "./store";

const devices = signal<ReadonlyMap<string, Device>>(new Map());
const asked = new Set<string>();

export function remember(...found: readonly Device[]): void {
  const next = new Map(devices.peek());
  for (const device of found) next.set(device.key, device);
  devices.value = next;
}

export const placeName = (incident: Incident): string =>
  incident.zone_name ? pick(incident.zone_name) : incident.zone === "system" ? t("ownTrouble") : incident.zone;

/** The device's name, or its key until it is known; also the name of a zone, which alarms may be about too. */
export function deviceName(key: string): string {
  const zone = zones.value.get(key);
  if (zone) return pick(zone.name);
  if (key.startsWith("system/")) return troubleName(key.slice("system/".length));
  const known = devices.value.get(key);
  if (known) return pick(known.name);
  if (key.includes("/") && zones.value.size > 0 && !asked.has(key)) {
    asked.add(key);
    // After a broken connection it is asked again.
    readDevice(key).then(remember, () => setTimeout(() => asked.delete(key), 30_000));
  }
  return key;
}
