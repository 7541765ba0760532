/** Who would be called now, at each station, when that changes, and who stands in for whom. No numbers, no addresses. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Person, Station } from "../answers";
import { swap } from "../api";
import { channelName } from "../channels";
import { second, serverNow } from "../clock";
import { localInput, moment, span } from "../format";
import { language, pick, t } from "../i18n";
import { whoActs } from "../person";
import { live, readSite, stations } from "../store";
import { WORDS, type Key } from "../words";
import { Notifications } from "./notifications";
import { ErrorNote, Icon, Loading, Section } from "./parts";

const POLL_MS = 30_000;
const SWAP_MS = 8 * 3_600_000;

const now = (): number => second.value * 1000;
const listed = (names: string[]): string => names.join(language.value === "zh" ? "、" : ", ");
const roleWord = (role: string): string => (`role_${role}` in WORDS ? t(`role_${role}` as Key) : role);

const everybody = (): Map<string, Person> =>
  new Map([...stations.value.values()].flatMap((station) => station.people).map((person) => [person.key, person]));

const nameOf = (key: string): string => {
  const known = everybody().get(key);
  return known ? pick(known.name) : key;
};

function PersonRow({ person }: { person: Person }) {
  return (
    <li class={`duty-person${person.on_duty ? "" : " duty-off"}`} data-testid="duty-person" data-person={person.key} data-on={person.on_duty}>
      <Icon name="person" />
      <b>{pick(person.name)}</b>
      <span class="dim">{roleWord(person.role)}</span>
      <span class="duty-ways dim">{listed(person.channels.map(channelName))}</span>
    </li>
  );
}

function NextChange({ station }: { station: Station }) {
  if (station.next_change === null) return <span class="dim">{t("noChange")}</span>;
  const at = Date.parse(station.next_change);
  return <span class="dim">{t("nextChange", { at: moment(at, now()), span: span(Math.max(0, at - now()), language.value) })}</span>;
}

function SwapForm({ station, onEnd }: { station: Station; onEnd: () => void }) {
  const leaves = useSignal("");
  const takes = useSignal("");
  const since = useSignal(localInput(serverNow()));
  const until = useSignal(localInput(station.next_change ? Date.parse(station.next_change) : serverNow() + SWAP_MS));
  const busy = useSignal(false);
  const error = useSignal<unknown>(null);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy.value) return;
    busy.value = true;
    error.value = null;
    try {
      const by = await whoActs();
      if (by !== null) {
        const [from, to] = [since.value, until.value].map((it) => new Date(it).toISOString()) as [string, string];
        await swap(station.key, { leaves: leaves.value, takes: takes.value, since: from, until: to, by });
        readSite();
        onEnd();
      }
    } catch (failure) {
      error.value = failure;
    } finally {
      busy.value = false;
    }
  };
  const others = [...everybody().values()].filter((person) => person.key !== leaves.value);
  return (
    <form class="swap-form" data-testid="swap-form" aria-label={t("newSwap")} onSubmit={(event) => void submit(event)}>
      <div class="fields">
        <label>
          {t("leaves")}
          <select required data-testid="swap-leaves" value={leaves.value} onChange={(event) => (leaves.value = event.currentTarget.value)}>
            <option value="">{t("choosePerson")}</option>
            {station.people.map((person) => (
              <option key={person.key} value={person.key}>
                {pick(person.name)}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t("takes")}
          <select required data-testid="swap-takes" value={takes.value} onChange={(event) => (takes.value = event.currentTarget.value)}>
            <option value="">{t("choosePerson")}</option>
            {others.map((person) => (
              <option key={person.key} value={person.key}>
                {pick(person.name)}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t("from")}
          <input type="datetime-local" required data-testid="swap-since" value={since.value} onInput={(event) => (since.value = event.currentTarget.value)} />
        </label>
        <label>
          {t("to")}
          <input type="datetime-local" required data-testid="swap-until" value={until.value} onInput={(event) => (until.value = event.currentTarget.value)} />
        </label>
      </div>
      <ErrorNote error={error.value} />
      <div class="row">
        <button type="button" class="quiet" onClick={onEnd}>
          {t("cancel")}
        </button>
        <button type="submit" class="primary" data-testid="swap-save" disabled={busy.value || !live.value}>
          {busy.value ? t("sending") : t("save")}
        </button>
      </div>
    </form>
  );
}

function Swaps({ station }: { station: Station }) {
  if (station.swaps.length === 0) return null;
  return (
    <ul class="swaps" aria-label={t("swapsTitle")}>
      {station.swaps.map((it) => (
        <li key={`${it.leaves} ${it.takes} ${it.since}`} data-testid="swap">
          {t("swapLine", {
            takes: nameOf(it.takes),
            leaves: nameOf(it.leaves),
            since: moment(Date.parse(it.since), now()),
            until: moment(Date.parse(it.until), now()),
            by: it.by,
          })}
        </li>
      ))}
    </ul>
  );
}

function OneStation({ station }: { station: Station }) {
  const swapping = useSignal(false);
  const on = station.people.filter((person) => person.on_duty);
  const off = station.people.filter((person) => !person.on_duty);
  const neighbours = station.neighbours.map((key) => stations.value.get(key)).flatMap((it) => (it ? [pick(it.name)] : []));
  const rostered = station.people.length > 0;
  return (
    <Section title={pick(station.name)} testid={`duty-${station.key}`} aside={rostered ? <NextChange station={station} /> : undefined}>
      {!rostered ? (
        <p class="dim">{t(station.authority ? "authorityNote" : "channelsOnly")}</p>
      ) : (
        <>
          {on.length === 0 && (
            <p class="verdict verdict-bad">
              <Icon name="blind" /> {t("nobodyOnDuty")}
            </p>
          )}
          <ul class="duty-people" aria-label={t("onDutyNow")}>
            {on.map((person) => (
              <PersonRow key={person.key} person={person} />
            ))}
          </ul>
          {off.length > 0 && (
            <>
              <h3 class="dim">{t("offDuty")}</h3>
              <ul class="duty-people" aria-label={t("offDuty")}>
                {off.map((person) => (
                  <PersonRow key={person.key} person={person} />
                ))}
              </ul>
            </>
          )}
          <Swaps station={station} />
          {swapping.value ? (
            <SwapForm station={station} onEnd={() => (swapping.value = false)} />
          ) : (
            <button type="button" class="secondary duty-swap" data-testid="new-swap" disabled={!live.value} onClick={() => (swapping.value = true)}>
              {t("newSwap")}
            </button>
          )}
        </>
      )}
      <p class="hint">
        {listed(station.recipients.map(({ channel }) => channelName(channel)))}
        {neighbours.length > 0 && ` · ${t("reinforcedBy", { names: listed(neighbours) })}`}
      </p>
    </Section>
  );
}

export function DutyView() {
  useEffect(() => {
    readSite();
    const timer = setInterval(() => live.peek() && readSite(), POLL_MS);
    return () => clearInterval(timer);
  }, []);
  const all = [...stations.value.values()];
  if (all.length === 0) return <Loading />;
  return (
    <div class="office">
      <h1>{t("duty")}</h1>
      <Notifications />
      <div class="stations">
        {all.map((station) => (
          <OneStation key={station.key} station={station} />
        ))}
      </div>
    </div>
  );
}
