/** The measures in force, the one that ends first on top, each with who, why and how long still; any of them can be ended now. */
import { useSignal } from "@preact/signals";
import type { Suppression } from "../answers";
import { restore } from "../api";
import { second } from "../clock";
import { moment, span } from "../format";
import { language, pick, t } from "../i18n";
import { deviceName } from "../known";
import { whoActs } from "../person";
import { live, measures, readHealth, refresh, rules } from "../store";
import { ErrorNote, Section } from "./parts";

const now = (): number => second.value * 1000;

function End({ measure }: { measure: Suppression }) {
  const asked = useSignal(false);
  const busy = useSignal(false);
  const error = useSignal<unknown>(null);
  const end = async (): Promise<void> => {
    busy.value = true;
    error.value = null;
    try {
      const by = await whoActs();
      if (by !== null) await restore(measure.id, by);
    } catch (failure) {
      error.value = failure;
    } finally {
      busy.value = false;
      asked.value = false;
      readHealth();
      refresh();
    }
  };
  return (
    <div class="measure-end">
      {asked.value ? (
        <>
          <span class="hint">{t("askRestore")}</span>
          <button type="button" class="quiet" onClick={() => (asked.value = false)}>
            {t("cancel")}
          </button>
          <button type="button" class="primary" data-testid="restore-confirm" disabled={busy.value || !live.value} onClick={() => void end()}>
            {busy.value ? t("sending") : t("confirmRestore")}
          </button>
        </>
      ) : (
        <button type="button" class="secondary" data-testid="restore" disabled={!live.value} onClick={() => (asked.value = true)}>
          {t("restore")}
        </button>
      )}
      <ErrorNote error={error.value} />
    </div>
  );
}

function Row({ measure }: { measure: Suppression }) {
  const end = Date.parse(measure.until);
  const rule = rules.value.get(measure.rule);
  return (
    <li class="measure" data-testid="measure" data-measure={measure.measure} data-subject={measure.subject}>
      <div class="measure-what">
        <span class="chip chip-held">{t(`measure_${measure.measure}`)}</span> <b>{deviceName(measure.subject)}</b>
        {measure.measure === "drill" && <span class="mono"> {measure.id}</span>}
        {measure.rule && <span class="dim"> {rule ? pick(rule.title) : measure.rule}</span>}
        <p>
          {measure.by}
          {language.value === "zh" ? "：" : ": "}
          {measure.why}
          {measure.compensation && <span class="dim"> · {t("compensates", { what: measure.compensation })}</span>}
        </p>
      </div>
      <div class="measure-time">
        <b class="mono">{t("endsIn", { span: span(Math.max(0, end - now()), language.value) })}</b>
        <span class="dim mono">{t("untilWhen", { at: moment(end, now()) })}</span>
      </div>
      <End measure={measure} />
    </li>
  );
}

export function MeasureList() {
  const all = [...measures.value.values()].sort((a, b) => a.until.localeCompare(b.until));
  return (
    <Section title={t("measuresTitle", { n: all.length })} testid="measures">
      {all.length === 0 ? (
        <p class="dim">{t("noMeasures")}</p>
      ) : (
        <ul>
          {all.map((measure) => (
            <Row key={measure.id} measure={measure} />
          ))}
        </ul>
      )}
    </Section>
  );
}
