/** The readings around an incident: one chart for each quantity, one line for each device, the steps of the response across them. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Device, Incident } from "../answers";
import { ApiError, readDevice } from "../api";
import { serverNow } from "../clock";
import { quantityName } from "../format";
import { language, pick, t } from "../i18n";
import { remember } from "../known";
import { readSeries } from "../readings";
import { beginning, isMain, rankQuantities } from "../series";
import { epoch, live, quantities, rules } from "../store";
import type { Key } from "../words";
import { Chart, type Line, type Mark } from "./chart";
import { ErrorNote, Loading, Section } from "./parts";

const MARGIN_MS = 10 * 60_000;
const REFRESH_MS = 5000;
const DEVICES = 6;
const QUANTITIES = 4;

interface Panel {
  quantity: string;
  lines: Line[];
}

/** Numbers that the incident's devices measure, those of its rules first. */
function quantitiesOf(incident: Incident, devices: readonly Device[]): string[] {
  const asked = incident.rules.flatMap((rule) => rules.value.get(rule)?.quantities ?? []);
  const numbers = devices.flatMap((device) =>
    Object.entries(device.values).flatMap(([name, value]) => (typeof value === "number" ? [name] : [])),
  );
  const telling = numbers.filter((name) => isMain(name) || asked.includes(name));
  return rankQuantities(telling, asked).slice(0, QUANTITIES);
}

async function readPanels(incident: Incident, from: number, to: number, signal: AbortSignal): Promise<Panel[]> {
  // The newest device stands last in the list and must not be cut off.
  const keys = [...new Set([incident.last_device, ...incident.devices])].filter(Boolean).slice(0, DEVICES);
  const devices = await Promise.all(keys.map((key) => readDevice(key, signal)));
  remember(...devices);
  const panels: Panel[] = [];
  for (const quantity of quantitiesOf(incident, devices)) {
    const measuring = devices.filter((device) => typeof device.values[quantity] === "number");
    const series = await Promise.all(
      measuring.map((device) => readSeries({ device: device.key, quantity, from, to }, signal)),
    );
    const lines = measuring.map((device, i) => ({ label: pick(device.name), points: series[i]?.points ?? [] }));
    panels.push({ quantity, lines: lines.filter((line) => line.points.length > 0) });
  }
  return panels.filter((panel) => panel.lines.length > 0);
}

function marksOf(incident: Incident): Mark[] {
  const steps = ["raised", "dispatched", "acknowledged", "on_scene", "resolved", "closed"] as const;
  return steps.flatMap((step) => {
    const at = incident[`${step}_at`];
    return at === null ? [] : [{ at: Date.parse(at), label: t(`mark_${step}` as Key) }];
  });
}

export function ReadingsAround({ incident }: { incident: Incident }) {
  const panels = useSignal<Panel[] | null>(null);
  const error = useSignal<unknown>(null);
  const to = useSignal(serverNow());
  const raised = Date.parse(incident.raised_at);
  const from = raised - MARGIN_MS;
  const closed = incident.closed_at;
  const which = `${incident.id} ${incident.devices.join()} ${closed ?? ""}`;

  useEffect(() => {
    const stop = new AbortController();
    const end = closed === null ? Infinity : Date.parse(closed) + MARGIN_MS;
    const read = async (): Promise<void> => {
      const now = Math.min(serverNow(), end);
      try {
        panels.value = await readPanels(incident, from, now, stop.signal);
        to.value = now;
        error.value = null;
      } catch (failure) {
        if (!stop.signal.aborted) error.value = failure;
      }
    };
    let timer: ReturnType<typeof setTimeout>;
    const again = async (): Promise<void> => {
      if (live.peek() && !document.hidden) await read();
      if (!stop.signal.aborted && serverNow() < end) timer = setTimeout(() => void again(), REFRESH_MS);
    };
    void read().then(() => (timer = setTimeout(() => void again(), REFRESH_MS)));
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [which, epoch.value, quantities.value]);

  const marks = useMemo(() => marksOf(incident), [incident, language.value]);
  if (incident.devices.length === 0) return null;
  const points = panels.value?.flatMap(({ lines }) => lines.flatMap((line) => line.points)) ?? [];
  const start = beginning(from, raised, to.value, points);
  const none = error.value instanceof ApiError && error.value.status === 404;
  return (
    <Section title={t("readingsAround")}>
      {!none && <ErrorNote error={error.value} />}
      {panels.value === null && error.value === null && <Loading />}
      {(none || panels.value?.length === 0) && <p class="dim">{t("noReadings")}</p>}
      <div class="charts">
        {panels.value?.map(({ quantity, lines }) => {
          const known = quantities.value.get(quantity);
          return (
            <figure key={quantity}>
              <figcaption>
                {quantityName(quantity, known, language.value)} <span class="dim">{known?.unit}</span>
              </figcaption>
              <Chart lines={lines} unit={known?.unit ?? ""} from={start} to={to.value} marks={marks} sync={incident.id} />
            </figure>
          );
        })}
      </div>
    </Section>
  );
}
