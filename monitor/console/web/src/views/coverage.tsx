/** Where a fire would not be found now, since when and why, and who answers for it; what is kept from paging, and for how long. */
import { useSignal, type Signal } from "@preact/signals";
import type { ZoneCoverage } from "../answers";
import { second } from "../clock";
import { lacking } from "../coverage";
import { moment, span } from "../format";
import { language, pick, t } from "../i18n";
import { deviceName } from "../known";
import { href } from "../router";
import { coverage, live } from "../store";
import { MeasureForm, type Draft } from "./measure_form";
import { MeasureList } from "./measures";
import { Icon, Loading, Section } from "./parts";

const SHOWN = 50;
const DEVICES = 3;

const now = (): number => second.value * 1000;

const listed = (names: string[]): string => names.join(language.value === "zh" ? "、" : ", ");

function since(at: string | null): string {
  if (at === null) return t("sinceUnknown");
  const from = Date.parse(at);
  return t("sinceWhen", { at: moment(from, now()), span: span(Math.max(0, now() - from), language.value) });
}

function Reasons({ zone }: { zone: ZoneCoverage }) {
  return (
    <ul class="gaps">
      {zone.gaps.map((gap) => (
        <li key={gap.lack}>
          <span class={`chip gap gap-${gap.lack}`}>
            {gap.count > 0 ? t("gapCount", { lack: t(`lack_${gap.lack}`), n: gap.count }) : t(`lack_${gap.lack}`)}
          </span>{" "}
          <span class="dim">{listed([...gap.devices.slice(0, DEVICES).map(deviceName), ...(gap.count > DEVICES ? ["…"] : [])])}</span>
        </li>
      ))}
    </ul>
  );
}

function Answer({ zone }: { zone: ZoneCoverage }) {
  if (zone.accepted.length === 0) return <p class="gap-nobody">{t("unanswered")}</p>;
  return (
    <>
      {zone.accepted.map((measure) => (
        <p key={measure.id} class="gap-answer">
          <b>{t("answeredBy", { by: measure.by, why: measure.why })}</b>{" "}
          {t("untilWhen", { at: moment(Date.parse(measure.until), now()) })}
          {measure.compensation && <span class="dim"> {t("compensates", { what: measure.compensation })}</span>}
        </p>
      ))}
    </>
  );
}

function Row({ zone, draft }: { zone: ZoneCoverage; draft: Signal<Draft | null> }) {
  return (
    <li class="gap-row" data-testid="gap" data-zone={zone.zone} data-answered={zone.accepted.length > 0}>
      <div class="gap-place">
        <a href={href(["devices"], { zone: zone.zone })}>{pick(zone.name)}</a>
        <span class="dim">
          {zone.covered ? t("gapOf", { n: zone.live, all: zone.detectors }) : zone.detectors > 0 && since(zone.uncovered_since)}
        </span>
      </div>
      <Reasons zone={zone} />
      {!zone.covered && (
        <div class="gap-who">
          <Answer zone={zone} />
        </div>
      )}
      {!zone.covered && zone.accepted.length === 0 && (
        <button
          type="button"
          class="secondary"
          data-testid="cover"
          disabled={!live.value}
          onClick={() => (draft.value = { measure: "impaired", zone: zone.zone })}
        >
          {t("coverIt")}
        </button>
      )}
    </li>
  );
}

function Rows({ zones, draft }: { zones: ZoneCoverage[]; draft: Signal<Draft | null> }) {
  const all = useSignal(false);
  const shown = all.value ? zones : zones.slice(0, SHOWN);
  return (
    <>
      <ul>
        {shown.map((zone) => (
          <Row key={zone.zone} zone={zone} draft={draft} />
        ))}
      </ul>
      {zones.length > shown.length && (
        <button type="button" class="quiet" onClick={() => (all.value = true)}>
          {t("showRest", { n: zones.length - shown.length })}
        </button>
      )}
    </>
  );
}

function Summary({ zones, uncovered, unanswered }: { zones: number; uncovered: number; unanswered: number }) {
  if (uncovered === 0) {
    return (
      <p class="verdict verdict-good" data-testid="coverage-verdict">
        <Icon name="fine" /> {t("coverageAll", { n: zones })}
      </p>
    );
  }
  return (
    <p class={`verdict ${unanswered > 0 ? "verdict-bad" : "verdict-held"}`} data-testid="coverage-verdict">
      <Icon name="blind" /> {t("coverageNone", { n: uncovered })}
      {unanswered > 0 && <span>{t("coverageUnanswered", { n: unanswered })}</span>}
    </p>
  );
}

export function CoverageView() {
  const draft = useSignal<Draft | null>(null);
  const known = coverage.value;
  if (known === null) return <Loading />;
  const { uncovered, partly, unanswered } = lacking(known.items);
  return (
    <div class="office">
      <div class="office-head">
        <h1>{t("coverage")}</h1>
        <button
          type="button"
          class="primary"
          data-testid="new-measure"
          aria-expanded={draft.value !== null}
          disabled={!live.value}
          onClick={() => (draft.value = draft.value === null ? { measure: "shelved", zone: "" } : null)}
        >
          {t("newMeasure")}
        </button>
      </div>
      <Summary zones={known.zones} uncovered={uncovered.length} unanswered={unanswered} />
      {draft.value !== null && (
        <MeasureForm key={`${draft.value.measure} ${draft.value.zone}`} draft={draft.value} onEnd={() => (draft.value = null)} />
      )}
      {uncovered.length > 0 && (
        <Section title={t("uncoveredTitle")}>
          <Rows zones={uncovered} draft={draft} />
        </Section>
      )}
      <MeasureList />
      {partly.length > 0 && (
        <Section title={t("partlyTitle")}>
          <Rows zones={partly} draft={draft} />
        </Section>
      )}
    </div>
  );
}
