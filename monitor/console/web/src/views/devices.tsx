/** Every device by zone: what it said last, how long ago, how it fares. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Device } from "../answers";
import { readDevices } from "../api";
import { second } from "../clock";
import { age, isIdle, quantityName, value } from "../format";
import { byZone, healthOf, HEALTHS, matches } from "../health";
import { language, named, pick, t } from "../i18n";
import { remember } from "../known";
import { deviceHref, replaceQuery, route } from "../router";
import { rankQuantities } from "../series";
import { valueWords } from "../story";
import { epoch, live, quantities } from "../store";
import { DEVICE_KINDS } from "../words";
import { ErrorNote, Loading } from "./parts";

const POLL_MS = 5000;
const MAX_PAGES = 5;
const OPEN_AT_ONCE = 150;
const ROWS = 100;
const VALUES = 4;

export function Age({ device }: { device: Device }) {
  if (device.last_at === null) return <span class="warn">{t("never")}</span>;
  const doubtful = device.freshness !== null && device.freshness !== "live";
  return (
    <span>
      <time dateTime={device.last_at}>{age(second.value * 1000 - Date.parse(device.last_at), language.value)}</time>
      {doubtful && <span class="chip">{t(`freshness_${device.freshness}` as "freshness_late")}</span>}
    </span>
  );
}

export function HealthChip({ device }: { device: Device }) {
  const health = healthOf(device);
  return <span class={`chip health health-${health}`}>{t(`health_${health}`)}</span>;
}

function Values({ device }: { device: Device }) {
  const telling = Object.entries(device.values).flatMap(([name, it]) =>
    name === "online" || isIdle(it, quantities.value.get(name)) ? [] : [name],
  );
  const names = rankQuantities(telling);
  return (
    <span class="values">
      {names.slice(0, VALUES).map((name) => {
        const quantity = quantities.value.get(name);
        return (
          <span key={name} class="value">
            <span class="dim">{quantityName(name, quantity, language.value)}</span>{" "}
            <b class="mono">{value(device.values[name] ?? "", quantity, valueWords())}</b>
          </span>
        );
      })}
    </span>
  );
}

function Row({ device }: { device: Device }) {
  return (
    <li>
      <a class="device" href={deviceHref(device.key)} data-testid="device" data-device={device.key} data-health={healthOf(device)}>
        <span class="device-name">
          <b>{pick(device.name)}</b>
          <small class="dim">
            {named(DEVICE_KINDS, device.kind)} · <span class="mono">{device.key}</span>
          </small>
        </span>
        <HealthChip device={device} />
        <Values device={device} />
        <span class="device-age">
          <Age device={device} />
        </span>
      </a>
    </li>
  );
}

function Group({ zone, devices, unfold }: { zone: string; devices: Device[]; unfold: boolean }) {
  const rows = useSignal(ROWS);
  const opened = useSignal<boolean | null>(null);
  const bad = devices.filter((device) => healthOf(device) !== "ok");
  const alarming = bad.some((device) => healthOf(device) === "alarm");
  const shown = opened.value ?? (unfold || alarming);
  const first = devices[0];
  const tally = HEALTHS.flatMap((health) => {
    const n = bad.filter((device) => healthOf(device) === health).length;
    return n > 0 ? [{ health, n }] : [];
  });
  return (
    <section class="group">
      <h2>
        <button type="button" aria-expanded={shown} onClick={() => (opened.value = !shown)}>
          <span class="group-arrow" aria-hidden="true">
            {shown ? "▾" : "▸"}
          </span>
          {first?.zone_name ? pick(first.zone_name) : zone}
          <span class="dim">{devices.length}</span>
          {tally.map(({ health, n }) => (
            <span key={health} class={`chip health health-${health}`}>
              {t(`health_${health}`)} {n}
            </span>
          ))}
        </button>
      </h2>
      {shown && (
        <ul class="device-list">
          {devices.slice(0, rows.value).map((device) => (
            <Row key={device.key} device={device} />
          ))}
        </ul>
      )}
      {shown && devices.length > rows.value && (
        <button type="button" class="quiet" onClick={() => (rows.value += ROWS)}>
          {t("showMore", { n: Math.min(ROWS, devices.length - rows.value) })}
        </button>
      )}
    </section>
  );
}

async function readAll(zone: string, signal: AbortSignal): Promise<{ items: Device[]; capped: boolean }> {
  const items: Device[] = [];
  let after: string | null = null;
  for (let page = 0; page < MAX_PAGES; page++) {
    const answer = await readDevices(zone, after, signal);
    items.push(...answer.items);
    after = answer.next;
    if (after === null) break;
  }
  return { items, capped: after !== null };
}

export function DevicesView() {
  const all = useSignal<Device[] | null>(null);
  const capped = useSignal(false);
  const error = useSignal<unknown>(null);
  const { query } = route.value;
  const zone = query.get("zone") ?? "";
  const wanted = { text: query.get("q") ?? "", kind: query.get("kind") ?? "", health: query.get("health") ?? "" };
  const change = (part: Record<string, string>): void =>
    replaceQuery({ zone, q: wanted.text, kind: wanted.kind, health: wanted.health, ...part });

  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const poll = async (): Promise<void> => {
      try {
        if (!document.hidden && (live.peek() || all.peek() === null)) {
          const found = await readAll(zone, stop.signal);
          all.value = found.items;
          capped.value = found.capped;
          error.value = null;
          remember(...found.items);
        }
      } catch (failure) {
        if (!stop.signal.aborted) error.value = failure;
      }
      if (!stop.signal.aborted) timer = setTimeout(() => void poll(), POLL_MS);
    };
    void poll();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [zone, epoch.value]);

  const devices = all.value ?? [];
  const kinds = [...new Set(devices.map((device) => device.kind))].sort();
  const found = devices.filter((device) => matches(device, wanted));
  return (
    <div class="devices">
      <h1>{t("devices")}</h1>
      <div class="filters">
        <input
          type="search"
          placeholder={t("filter")}
          aria-label={t("filter")}
          data-testid="filter"
          value={wanted.text}
          onInput={(event) => change({ q: event.currentTarget.value })}
        />
        <select aria-label={t("allKinds")} data-testid="filter-kind" value={wanted.kind} onChange={(event) => change({ kind: event.currentTarget.value })}>
          <option value="">{t("allKinds")}</option>
          {kinds.map((kind) => (
            <option key={kind} value={kind}>
              {named(DEVICE_KINDS, kind)}
            </option>
          ))}
        </select>
        <select aria-label={t("allHealth")} data-testid="filter-health" value={wanted.health} onChange={(event) => change({ health: event.currentTarget.value })}>
          <option value="">{t("allHealth")}</option>
          {HEALTHS.map((health) => (
            <option key={health} value={health}>
              {t(`health_${health}`)}
            </option>
          ))}
        </select>
        {zone && (
          <button type="button" class="quiet" onClick={() => change({ zone: "" })}>
            {t("oneZone", { zone: devices[0]?.zone_name ? pick(devices[0].zone_name) : zone })} ✕
          </button>
        )}
        <span class="dim">{t("devicesShown", { n: found.length })}</span>
      </div>
      {capped.value && <p class="warn">{t("devicesCapped", { n: devices.length })}</p>}
      <ErrorNote error={error.value} />
      {all.value === null && error.value === null && <Loading />}
      {all.value !== null && found.length === 0 && <p class="dim">{t("noDevices")}</p>}
      {byZone(found).map(([key, group]) => (
        <Group key={key} zone={key} devices={group} unfold={found.length <= OPEN_AT_ONCE || zone !== ""} />
      ))}
    </div>
  );
}
