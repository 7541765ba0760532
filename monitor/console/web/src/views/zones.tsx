/** All zones as tiles: where it burns, where nobody watches, at a glance. */
import { useSignal } from "@preact/signals";
import { pick, t } from "../i18n";
import { tiles, type Tile } from "../order";
import { href, incidentHref } from "../router";
import { coverage, open, zones } from "../store";
import { Icon } from "./parts";

function lookWord({ look, zone }: Tile): string {
  if (look === "fine") return t("zoneFine");
  if (look === "blind") return zone.detectors === 0 ? t("zoneNone") : t("zoneSilent");
  return t(look);
}

function ZoneTile({ tile, sites }: { tile: Tile; sites: boolean }) {
  const { zone, look, incident } = tile;
  return (
    <li>
      <a
        class={`tile tile-${look}`}
        href={incident ? incidentHref(incident.id) : href(["devices"], { zone: zone.zone })}
        title={zone.zone}
        data-testid="zone-tile"
        data-zone={zone.zone}
        data-look={look}
      >
        <Icon name={look} />
        <span class="tile-name">
          {sites && <small>{zone.zone.split("/")[0]} · </small>}
          {pick(zone.name)}
        </span>
        <span class="tile-word">{lookWord(tile)}</span>
      </a>
    </li>
  );
}

export function ZoneTiles() {
  const expanded = useSignal(false);
  const known = coverage.value;
  if (known === null) return null;
  const all = tiles(known.items, open.value);
  const sites = new Set([...zones.value.values()].map((zone) => zone.site)).size > 1;
  const calm = all.filter((tile) => tile.look === "fine" || tile.look === "blind").length;
  return (
    <section class={`zones${expanded.value ? " zones-all" : ""}`} aria-label={t("zones")}>
      <div class="section-head">
        <h2>{t("zones")}</h2>
        <span class="dim">{all.length}</span>
      </div>
      <ul class="tiles">
        {all.map((tile) => (
          <ZoneTile key={tile.zone.zone} tile={tile} sites={sites} />
        ))}
      </ul>
      {calm > 0 && (
        <button type="button" class="quiet zones-toggle" onClick={() => (expanded.value = !expanded.value)}>
          {expanded.value ? t("zonesLess") : t("zonesMore", { n: calm })}
        </button>
      )}
    </section>
  );
}
