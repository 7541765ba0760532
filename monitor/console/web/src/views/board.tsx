/** The first view: what is open, gravest first, and where. */
import { KINDS } from "../answers";
import { language, t } from "../i18n";
import { coverage, loaded, open } from "../store";
import { IncidentCard } from "./card";
import { Icon, Loading } from "./parts";
import { ZoneTiles } from "./zones";

function Counts() {
  const all = open.value;
  return (
    <ul class="counts" aria-label={t("openCount", { n: all.length })}>
      {KINDS.map((kind) => {
        const n = all.filter((incident) => incident.kind === kind).length;
        return (
          <li key={kind} class={`count count-${kind}${n === 0 ? " count-none" : ""}`} data-testid={`count-${kind}`}>
            <Icon name={kind} />
            <span class="count-number">{n}</span>
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
  const unprotected = known ? known.zones - known.covered : 0;
  return (
    <div class="quiet-board" data-testid="quiet">
      <Icon name="fine" />
      <p class="quiet-words">
        {t("quiet")} <span lang={language.value === "zh" ? "en" : "zh-CN"}>{t("quietOther")}</span>
      </p>
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

export function Board() {
  return (
    <div class="board">
      <h1 class="unseen">{t("board")}</h1>
      <Counts />
      <div class="cards">
        {!loaded.value ? (
          <Loading />
        ) : open.value.length === 0 ? (
          <Quiet />
        ) : (
          open.value.map((incident) => <IncidentCard key={incident.id} incident={incident} />)
        )}
      </div>
      <ZoneTiles />
    </div>
  );
}
