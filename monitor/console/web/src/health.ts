/** How a device fares, in one word, and the devices that a person asks for. Knows no view. */
import type { Device } from "./answers";

export const HEALTHS = ["alarm", "offline", "silent", "fault", "battery", "ok"] as const;
export type Health = (typeof HEALTHS)[number];

const LOW_PERCENT = 15;

/** The gravest first: a device in alarm with a low battery is in alarm. */
export function healthOf(device: Device): Health {
  const { battery, battery_low, fault } = device.values;
  // FAULT alarms of its own health have their own words below.
  if (device.alarms.some((alarm) => alarm.kind !== "FAULT" && alarm.state !== "pending")) return "alarm";
  if (device.online === false) return "offline";
  if (device.last_at === null) return "silent";
  if (fault === true) return "fault";
  if (battery_low === true || (typeof battery === "number" && battery < LOW_PERCENT)) return "battery";
  return "ok";
}

export interface Wanted {
  text: string;
  kind: string;
  health: string;
}

/** Every word of the text must be found somewhere in the device's key, names or zone. */
export function matches(device: Device, wanted: Wanted): boolean {
  if (wanted.kind !== "" && device.kind !== wanted.kind) return false;
  if (wanted.health !== "" && healthOf(device) !== wanted.health) return false;
  const { zh, en } = device.name;
  const all = [device.key, zh, en, device.zone, device.zone_name?.zh ?? "", device.zone_name?.en ?? ""];
  const text = all.join(" ").toLowerCase();
  return wanted.text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** The zone with the worst device first, the others in their order. */
export function byZone(devices: readonly Device[]): [string, Device[]][] {
  const groups = new Map<string, Device[]>();
  for (const device of devices) {
    const group = groups.get(device.zone);
    if (group) group.push(device);
    else groups.set(device.zone, [device]);
  }
  const worst = (group: readonly Device[]): number => Math.min(...group.map((it) => HEALTHS.indexOf(healthOf(it))));
  const ranked = [...groups].map((entry) => ({ entry, rank: worst(entry[1]) }));
  return ranked.sort((a, b) => a.rank - b.rank).map(({ entry }) => entry);
}
