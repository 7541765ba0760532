/** The papers of a month for whoever answers for it, and the codes by which anybody reports a danger. */
import { useSignal } from "@preact/signals";
import { reportHref } from "../api";
import { second } from "../clock";
import { pick, t } from "../i18n";
import { months } from "../months";
import { stations } from "../store";
import { Labels } from "./labels";
import { Section } from "./parts";

const SLA_TABLES = ["figures", "responses"] as const;
const NUISANCE_TABLES = ["devices", "rules", "zones", "hours"] as const;

interface ReportProps {
  name: "sla" | "nuisance";
  month: string;
  station: string;
}

function Report({ name, month, station }: ReportProps) {
  const tables = name === "sla" ? SLA_TABLES : NUISANCE_TABLES;
  return (
    <Section title={t(`${name}Title`)} testid={`report-${name}`}>
      <p class="dim">{t(`${name}About`)}</p>
      <div class="row">
        <a class="button primary" href={reportHref(name, { month, station, format: "html" })} target="_blank" rel="noreferrer" data-testid={`${name}-open`}>
          {t("openReport")}
        </a>
        {tables.map((table) => (
          <a key={table} class="button" href={reportHref(name, { month, station, format: "csv", table })} data-testid={`${name}-${table}`}>
            {t(`table_${table}`)}
          </a>
        ))}
      </div>
    </Section>
  );
}

export function ReportsView() {
  const offered = months(second.value * 1000);
  const month = useSignal(offered[0] ?? "");
  const station = useSignal("");
  return (
    <div class="office">
      <h1>{t("reports")}</h1>
      <div class="filters">
        <label>
          {t("month")}{" "}
          <select data-testid="report-month" value={month.value} onChange={(event) => (month.value = event.currentTarget.value)}>
            {offered.map((it) => (
              <option key={it} value={it}>
                {it}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t("station")}{" "}
          <select data-testid="report-station" value={station.value} onChange={(event) => (station.value = event.currentTarget.value)}>
            <option value="">{t("allStations")}</option>
            {[...stations.value.values()]
              .filter((it) => !it.authority)
              .map((it) => (
                <option key={it.key} value={it.key}>
                  {pick(it.name)}
                </option>
              ))}
          </select>
        </label>
      </div>
      <div class="reports">
        <Report name="sla" month={month.value} station={station.value} />
        <Report name="nuisance" month={month.value} station={station.value} />
      </div>
      <Labels />
    </div>
  );
}
