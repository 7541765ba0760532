/** One device: what it says now, and any of its numbers over any time. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Device } from "../answers";
import { readDevice } from "../api";
import { serverNow } from "../clock";
import { quantityName, span as spanText, value } from "../format";
import { language, named, pick, t } from "../i18n";
import { remember } from "../known";
import { rangeOf, queryOf, spanOf, type Range } from "../ranges";
import { readSeries } from "../readings";
import { href, incidentHref, replaceQuery, route } from "../router";
import { rankQuantities, type Series } from "../series";
import { valueWords } from "../story";
import { epoch, live, quantities, rules } from "../store";
import { DEVICE_KINDS } from "../words";
import { Chart } from "./chart";
import { CsvButton } from "./csv";
import { Age, HealthChip } from "./devices";
import { ErrorNote, KindBadge, Loading, Section } from "./parts";
import { RangePicker } from "./range";

const POLL_MS = 5000;

function Current({ device }: { device: Device }) {
  const names = rankQuantities(Object.keys(device.values));
  return (
    <Section title={t("currentValues")}>
      <dl class="current">
        {names.map((name) => {
          const quantity = quantities.value.get(name);
          return (
            <div key={name}>
              <dt>{quantityName(name, quantity, language.value)}</dt>
              <dd class="mono">{value(device.values[name] ?? "", quantity, valueWords())}</dd>
            </div>
          );
        })}
      </dl>
    </Section>
  );
}

function ruleTitle(id: string): string {
  const rule = rules.value.get(id);
  return rule ? pick(rule.title) : id;
}

interface HistoryProps {
  device: string;
  quantity: string;
  range: Range;
  onZoom: (from: number, to: number) => void;
}

/** One quantity. A range that ends now is read again every few seconds while it is short, so that the line grows. */
function History({ device, quantity, range, onZoom }: HistoryProps) {
  const series = useSignal<Series | null>(null);
  const span = useSignal(spanOf(range, serverNow()));
  const error = useSignal<unknown>(null);
  const asked = JSON.stringify(range);
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const read = async (): Promise<void> => {
      const now = spanOf(range, serverNow());
      try {
        if (!document.hidden || series.peek() === null) {
          series.value = await readSeries({ device, quantity, ...now }, stop.signal);
          span.value = now;
          error.value = null;
        }
      } catch (failure) {
        if (!stop.signal.aborted) error.value = failure;
      }
      const every = Math.max(POLL_MS, (now.to - now.from) / 600);
      if (!stop.signal.aborted && range.name !== "custom") timer = setTimeout(() => void read(), every);
    };
    void read();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [device, quantity, asked, epoch.value]);

  const known = quantities.value.get(quantity);
  const label = quantityName(quantity, known, language.value);
  const it = series.value;
  const lines = useMemo(() => (it ? [{ label, points: it.points }] : []), [it, label]);
  return (
    <figure class="history">
      <figcaption>
        <b>{label}</b> <span class="dim">{known?.unit}</span>
        {it && (
          <span class="dim">
            {it.step === null ? t("raw") : t("stepped", { step: spanText(it.step * 1000, language.value) })} · {t("samples", { n: it.samples })}
          </span>
        )}
      </figcaption>
      <ErrorNote error={error.value} />
      {it === null && error.value === null && <Loading />}
      {it?.points.length === 0 && <p class="dim">{t("noReadings")}</p>}
      {it && it.points.length > 0 && (
        <Chart lines={lines} unit={known?.unit ?? ""} {...span.value} sync={device} height={260} onZoom={onZoom} />
      )}
      {it && <CsvButton span={{ device, quantity, ...span.value }} samples={it.samples} />}
    </figure>
  );
}

function useDevice(key: string): { device: Device | null; error: unknown } {
  const device = useSignal<Device | null>(null);
  const error = useSignal<unknown>(null);
  useEffect(() => {
    const stop = new AbortController();
    const read = async (): Promise<void> => {
      try {
        const found = await readDevice(key, stop.signal);
        device.value = found;
        error.value = null;
        remember(found);
      } catch (failure) {
        if (!stop.signal.aborted) error.value = failure;
      }
    };
    void read();
    const timer = setInterval(() => live.peek() && !document.hidden && void read(), POLL_MS);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [key, epoch.value]);
  return { device: device.value, error: error.value };
}

export function HistoryView({ device: key }: { device: string }) {
  const { device, error } = useDevice(key);
  const before = useSignal<Range | null>(null);
  if (device === null) return error === null ? <Loading /> : <ErrorNote error={error} />;

  const { query } = route.value;
  const numbers = Object.entries(device.values).flatMap(([name, it]) => (typeof it === "string" ? [] : [name]));
  const names = rankQuantities(numbers);
  const given = query.get("show")?.split(",").filter(Boolean);
  const shown = given ?? names.slice(0, 1);
  const range = rangeOf(query);
  const set = (part: { range?: Range; show?: readonly string[] }): void =>
    replaceQuery({ show: (part.show ?? shown).join(","), ...queryOf(part.range ?? range) });
  const toggle = (name: string): void =>
    set({ show: shown.includes(name) ? shown.filter((it) => it !== name) : [...shown, name] });
  const zoom = (from: number, to: number): void => {
    before.value ??= range;
    set({ range: { name: "custom", from, to } });
  };
  return (
    <div class="device-view">
      <a class="back" href={href(["devices"])}>
        ‹ {t("devices")}
      </a>
      <div class="device-head">
        <h1>{pick(device.name)}</h1>
        <HealthChip device={device} />
        <p class="dim">
          {named(DEVICE_KINDS, device.kind)} · {device.zone_name ? pick(device.zone_name) : device.zone} ·{" "}
          <span class="mono">{device.key}</span> · {t("lastHeard")} <Age device={device} />
        </p>
        {device.alarms.map((alarm) => (
          <a key={alarm.rule} class="device-alarm" href={alarm.incident ? incidentHref(alarm.incident) : "#/"}>
            <KindBadge kind={alarm.kind} /> {ruleTitle(alarm.rule)}
          </a>
        ))}
      </div>
      <Section title={t("history")} aside={<span class="dim zoom-hint">{t("zoomHint")}</span>}>
        <div class="row pills" role="group" aria-label={t("quantities")}>
          {names.map((name) => (
            <button
              key={name}
              type="button"
              class="pill"
              aria-pressed={shown.includes(name)}
              data-testid={`quantity-${name}`}
              onClick={() => toggle(name)}
            >
              {quantityName(name, quantities.value.get(name), language.value)}
            </button>
          ))}
        </div>
        <div class="row">
          <RangePicker
            range={range}
            span={spanOf(range, serverNow())}
            onChange={(next) => {
              before.value = null;
              set({ range: next });
            }}
          />
          {before.value !== null && (
            <button
              type="button"
              class="secondary"
              data-testid="zoom-out"
              onClick={() => {
                const back = before.value;
                before.value = null;
                if (back !== null) set({ range: back });
              }}
            >
              {t("zoomOut")}
            </button>
          )}
        </div>
        {names.length === 0 && <p class="dim">{t("noQuantities")}</p>}
        {shown.map((name) => (
          <History key={name} device={key} quantity={name} range={range} onZoom={zoom} />
        ))}
      </Section>
      <Current device={device} />
    </div>
  );
}
