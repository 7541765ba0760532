/** QR codes of the zones' report links, to be printed and put up. They are drawn by the daemon and shown as pictures. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ReportLink, Zone } from "../answers";
import { readReportLink } from "../api";
import { pick, t } from "../i18n";
import { zones } from "../store";
import { ErrorNote, Section } from "./parts";

const AT_ONCE = 60;

/** A zone, or a building whole: `site/building`. */
interface Choice {
  key: string;
  name: string;
  zones: Zone[];
}

const houseOf = (zone: Zone | undefined, key: string): string => (zone?.building_name ? pick(zone.building_name) : key);

function choices(): Choice[] {
  const all = [...zones.value.values()];
  const buildings = new Map<string, Zone[]>();
  for (const zone of all) {
    if (zone.building) buildings.set(`${zone.site}/${zone.building}`, [...(buildings.get(`${zone.site}/${zone.building}`) ?? []), zone]);
  }
  return [
    ...[...buildings].map(([key, its]) => ({ key: `building:${key}`, name: t("zonesOf", { place: houseOf(its[0], key), n: its.length }), zones: its })),
    ...all.map((zone) => ({ key: zone.key, name: `${pick(zone.name)} (${zone.key})`, zones: [zone] })),
  ];
}

function Label({ link }: { link: ReportLink }) {
  return (
    <li class="label" data-testid="label" data-zone={link.zone}>
      <p class="label-head">{t("scanMe")}</p>
      <img src={`data:image/svg+xml,${encodeURIComponent(link.svg)}`} alt={link.url} width="200" height="200" />
      <p class="label-place">{pick(link.name)}</p>
      <p class="label-119">{t("call119")}</p>
    </li>
  );
}

export function Labels() {
  const chosen = useSignal("");
  const busy = useSignal(false);
  const error = useSignal<unknown>(null);
  const links = useSignal<ReportLink[]>([]);
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);
  const offered = choices();
  const read = async (event: Event): Promise<void> => {
    event.preventDefault();
    const wanted = offered.find((it) => it.key === chosen.value)?.zones.slice(0, AT_ONCE) ?? [];
    busy.value = true;
    error.value = null;
    links.value = [];
    try {
      for (const zone of wanted) links.value = [...links.value, await readReportLink(zone.key, stop.current.signal)];
    } catch (failure) {
      error.value = failure;
    } finally {
      busy.value = false;
    }
  };
  return (
    <Section title={t("labelsTitle")} testid="labels">
      <p class="dim">
        {t("labelsAbout")} {t("labelsCapped", { n: AT_ONCE })}
      </p>
      <form class="row" onSubmit={(event) => void read(event)}>
        <select required aria-label={t("zone")} data-testid="label-zone" value={chosen.value} onChange={(event) => (chosen.value = event.currentTarget.value)}>
          <option value="">{t("chooseZone")}</option>
          {offered.map((it) => (
            <option key={it.key} value={it.key}>
              {it.name}
            </option>
          ))}
        </select>
        <button type="submit" class="secondary" data-testid="labels-show" disabled={busy.value}>
          {busy.value ? t("loading") : t("showLabels")}
        </button>
        {links.value.length > 0 && (
          <button type="button" class="secondary" onClick={() => print()}>
            {t("printLabels")}
          </button>
        )}
      </form>
      <ErrorNote error={error.value} />
      {links.value.length > 0 && (
        <ul class="labels">
          {links.value.map((link) => (
            <Label key={link.zone} link={link} />
          ))}
        </ul>
      )}
    </Section>
  );
}
