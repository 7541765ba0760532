/** What alarms and pages nobody, because somebody has said so: never silent, never in the colour of a real one. */
import type { Incident } from "../answers";
import { second } from "../clock";
import { moment } from "../format";
import { pick, t } from "../i18n";
import { placeName } from "../known";
import { incidentHref } from "../router";
import { measures, picture } from "../store";
import { Icon, Section } from "./parts";

/** `测试中 · 张工 · 更换探测器 · 至 11:30`; the id of the measure while nothing is known of it. */
export function measureWords(id: string): string {
  const known = measures.value.get(id);
  if (known === undefined) return id;
  const until = t("untilWhen", { at: moment(Date.parse(known.until), second.value * 1000) });
  return [t(`measure_${known.measure}`), known.by, known.why, until].join(" · ");
}

function Row({ incident }: { incident: Incident }) {
  return (
    <li>
      <a class="held" href={incidentHref(incident.id)} data-testid="withheld" data-incident={incident.id}>
        <span class="chip chip-held">
          <Icon name={incident.kind} /> {t("heldKind", { kind: t(incident.kind) })}
        </span>
        <span class="held-what">
          <b>{placeName(incident)}</b> {pick(incident.title)}
        </span>
        <span class="held-why">{measureWords(incident.withheld)}</span>
      </a>
    </li>
  );
}

export function WithheldList() {
  const all = picture.value.withheld;
  if (all.length === 0) return null;
  return (
    <Section title={t("withheldTitle", { n: all.length })} testid="withheld-list">
      <ul class="held-list">
        {all.map((incident) => (
          <Row key={incident.id} incident={incident} />
        ))}
      </ul>
    </Section>
  );
}
