/** Taking a measure: what, where, until when, why, and what is done instead. Says what it keeps from paging before it is taken. */
import { useSignal } from "@preact/signals";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";
import { MEASURES, type Device, type Measure } from "../answers";
import { readDevices, startDrill, suppress } from "../api";
import { serverNow } from "../clock";
import { localInput } from "../format";
import { pick, t } from "../i18n";
import { endOf, minutesUntil, shelvable, TERMS } from "../measures";
import { whoActs } from "../person";
import { live, readHealth, refresh, rules, zones } from "../store";
import type { Key } from "../words";
import { ErrorNote } from "./parts";

const HOUR = 3_600_000;

export interface Draft {
  measure: Measure;
  /** Empty while none is chosen. */
  zone: string;
}

const NAMES: Readonly<Record<Measure, Key>> = { shelved: "doShelve", test: "doTest", works: "doWorks", impaired: "doImpair", drill: "doDrill" };

const lengthWords = (ms: number): string =>
  ms >= 24 * HOUR ? t("daysLong", { n: ms / 24 / HOUR }) : t("hoursLong", { n: ms / HOUR });

function useDevices(zone: string): Device[] {
  const found = useSignal<Device[]>([]);
  useEffect(() => {
    found.value = [];
    if (zone === "") return;
    const stop = new AbortController();
    readDevices(zone, null, stop.signal).then(
      (page) => (found.value = page.items),
      // Without their names the whole zone can still be chosen.
      (error: unknown) => stop.signal.aborted || console.warn("devices could not be read", error),
    );
    return () => stop.abort();
  }, [zone]);
  return found.value;
}

interface Props {
  draft: Draft;
  onEnd: () => void;
}

export function MeasureForm({ draft, onEnd }: Props) {
  const measure = useSignal<Measure>(draft.measure);
  const zone = useSignal(draft.zone);
  const device = useSignal("");
  const rule = useSignal("");
  const until = useSignal(localInput(endOf(draft.measure, serverNow(), TERMS[draft.measure].usual)));
  const why = useSignal("");
  const instead = useSignal("");
  const busy = useSignal(false);
  const error = useSignal<unknown>(null);
  const place = useRef<HTMLFormElement>(null);
  const radios = useId();
  const terms = TERMS[measure.value];
  const devices = useDevices(terms.ofDevice ? zone.value : "");
  useLayoutEffect(() => place.current?.focus(), []);

  const choose = (next: Measure): void => {
    measure.value = next;
    until.value = localInput(endOf(next, serverNow(), TERMS[next].usual));
    if (!TERMS[next].ofDevice) device.value = "";
    if (next !== "shelved") rule.value = "";
  };
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy.value) return;
    busy.value = true;
    error.value = null;
    try {
      const by = await whoActs();
      if (by !== null && measure.value === "drill" && device.value !== "") {
        await startDrill({ device: device.value, by, why: why.value.trim(), minutes: minutesUntil(until.value, serverNow()) });
        onEnd();
      } else if (by !== null) {
        await suppress({
          measure: measure.value,
          subject: device.value || zone.value,
          rule: rule.value,
          why: why.value.trim(),
          compensation: instead.value.trim(),
          until: new Date(until.value).toISOString(),
          by,
        });
        onEnd();
      }
    } catch (failure) {
      error.value = failure;
    } finally {
      busy.value = false;
      readHealth();
      refresh();
    }
  };
  return (
    <form
      ref={place}
      class="section measure-form"
      tabIndex={-1}
      data-testid="measure-form"
      aria-label={t("newMeasure")}
      onKeyDown={(event) => event.key === "Escape" && onEnd()}
      onSubmit={(event) => void submit(event)}
    >
      <div class="dispositions" role="radiogroup" aria-label={t("measureKind")}>
        {MEASURES.map((it) => (
          <label key={it} data-testid={`measure-${it}`}>
            <input type="radio" name={radios} checked={measure.value === it} onChange={() => choose(it)} />
            {t(NAMES[it])}
          </label>
        ))}
      </div>
      <p class={`about${measure.value === "test" ? " about-grave" : ""}`} role="status" data-testid="measure-about">
        {t(`about_${measure.value}`)}
      </p>
      <div class="fields">
        <label>
          {t("zone")}
          <select
            required
            data-testid="measure-zone"
            value={zone.value}
            onChange={(event) => {
              zone.value = event.currentTarget.value;
              device.value = "";
            }}
          >
            <option value="">{t("chooseZone")}</option>
            {[...zones.value.values()].map((it) => (
              <option key={it.key} value={it.key}>
                {pick(it.name)} ({it.key})
              </option>
            ))}
          </select>
        </label>
        {terms.ofDevice && (
          <label>
            {t("device")}
            <select data-testid="measure-device" value={device.value} onChange={(event) => (device.value = event.currentTarget.value)}>
              <option value="">{t("wholeZone")}</option>
              {devices.map((it) => (
                <option key={it.key} value={it.key}>
                  {pick(it.name)} ({it.key})
                </option>
              ))}
            </select>
          </label>
        )}
        {measure.value === "shelved" && (
          <label>
            {t("onlyRule")}
            <select data-testid="measure-rule" value={rule.value} onChange={(event) => (rule.value = event.currentTarget.value)}>
              <option value="">{t("everyRule")}</option>
              {shelvable(rules.value.values()).map((it) => (
                <option key={it.id} value={it.id}>
                  {pick(it.title)} ({it.id})
                </option>
              ))}
            </select>
          </label>
        )}
        <div class="until">
          <label>
            {t("until")}
            <input
              type="datetime-local"
              required
              data-testid="measure-until"
              value={until.value}
              onInput={(event) => (until.value = event.currentTarget.value)}
            />
          </label>
          {terms.offers.map((length) => (
            <button
              key={length}
              type="button"
              class="pill"
              onClick={() => (until.value = localInput(endOf(measure.value, serverNow(), length)))}
            >
              {lengthWords(length)}
            </button>
          ))}
        </div>
        <label class="wide">
          {t("why")}
          <input required maxLength={2000} data-testid="measure-why" value={why.value} onInput={(event) => (why.value = event.currentTarget.value)} />
        </label>
        <label class="wide">
          {t(terms.compensated ? "compensation" : "compensationOptional")}
          <input
            required={terms.compensated}
            maxLength={2000}
            data-testid="measure-instead"
            value={instead.value}
            onInput={(event) => (instead.value = event.currentTarget.value)}
          />
        </label>
      </div>
      <ErrorNote error={error.value} />
      <div class="row">
        <button type="button" class="quiet" onClick={onEnd}>
          {t("cancel")}
        </button>
        <button type="submit" class="primary" data-testid="measure-take" disabled={busy.value || !live.value}>
          {busy.value ? t("sending") : t("takeMeasure")}
        </button>
      </div>
    </form>
  );
}
