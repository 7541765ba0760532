/** The first view: what is open, gravest first, and where; drills and what is withheld stand apart, below. */
import { useSignal } from "@preact/signals";
import { KINDS } from "../answers";
import { language, t } from "../i18n";
import { coverage, loaded, picture } from "../store";
import { IncidentCard } from "./card";
import { Icon, Loading } from "./parts";
import { WithheldList } from "./withheld";
import { ZoneTiles } from "./zones";

/** Cards are heavy: each counts down every second. The most urgent are shown at once. */
const SHOWN = 60;

/** What is not known yet is no nought. */
function Counts() {
  const all = picture.value.real;
  return (
    <ul class="counts" aria-label={t("openCount", { n: all.length })}>
      {KINDS.map((kind) => {
        const n = all.filter((incident) => incident.kind === kind).length;
        return (
          <li key={kind} class={`count count-${kind}${n === 0 ? " count-none" : ""}`} data-testid={`count-${kind}`}>
            <Icon name={kind} />
            <span class="count-number">{loaded.value ? n : "–"}</span>
            <span class="count-word">{t(kind)}</span>
          </li>
        );
      })}
    </ul>
  );
}

function Quiet() {
  const known = coverage.value;
  const sum = (of: "live" | "detectors"): number => known?.items.reduce((n, zone) => n + zone[of], 0) ?? 0;
  const withheld = picture.value.withheld.length;
  const alone = withheld === 0 && picture.value.drills.length === 0;
  const unprotected = known ? known.zones - known.covered : 0;
  return (
    <div class={`quiet-board${alone ? "" : " quiet-beside"}`} data-testid="quiet">
      <Icon name="fine" />
      <p class="quiet-words">
        {t("quiet")} <span lang={language.value === "zh" ? "en" : "zh-CN"}>{t("quietOther")}</span>
      </p>
      {withheld > 0 && <p class="warn">{t("quietWithheld", { n: withheld })}</p>}
      {known && (
        <>
          <p>{t("quietHeard", { heard: sum("live"), all: sum("detectors") })}</p>
          <p class={unprotected > 0 ? "warn" : ""}>
            {unprotected > 0 ? t("quietUnprotected", { n: unprotected }) : t("quietProtected", { n: known.zones })}
          </p>
        </>
      )}
    </div>
  );
}

function Cards() {
  const all = useSignal(false);
  const { scenes, drills } = picture.value;
  const shown = all.value ? scenes : scenes.slice(0, SHOWN);
  return (
    <>
      {scenes.length === 0 && <Quiet />}
      {shown.map(({ incident, members }) => (
        <IncidentCard key={incident.id} incident={incident} members={members} />
      ))}
      {scenes.length > shown.length && (
        <button type="button" class="secondary cards-more" data-testid="cards-more" onClick={() => (all.value = true)}>
          {t("cardsMore", { n: scenes.length - shown.length })}
        </button>
      )}
      {drills.map((incident) => (
        <IncidentCard key={incident.id} incident={incident} />
      ))}
      <WithheldList />
    </>
  );
}

export function Board() {
  return (
    <div class="board">
      <h1 class="unseen">{t("board")}</h1>
      <Counts />
      <div class="cards">{loaded.value ? <Cards /> : <Loading />}</div>
      <ZoneTiles />
    </div>
  );
}
