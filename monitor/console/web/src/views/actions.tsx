/** What a person does next with an incident. One tap, except where it cannot be undone: there a second one, with words. */
import { useSignal, type Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { DISPOSITIONS, type Disposition, type Incident } from "../answers";
import { move, type Verb } from "../api";
import { t } from "../i18n";
import { whoActs } from "../person";
import { learnIncident, live, refresh } from "../store";
import type { Key } from "../words";
import { ErrorNote } from "./parts";

type Step = Exclude<Verb, "notes">;

const LABELS: Readonly<Record<Step, Key>> = {
  acknowledge: "doAcknowledge",
  "on-scene": "doOnScene",
  resolve: "doResolve",
  reset: "doReset",
  close: "doClose",
};
/** A fault is taken on; nobody is called out for it. */
const labelOf = (step: Step, incident: Incident): Key =>
  step === "acknowledge" && incident.kind === "FAULT" ? "doAcknowledgeFault" : LABELS[step];

const TESTIDS: Readonly<Record<Step, string>> = {
  acknowledge: "ack",
  "on-scene": "on-scene",
  resolve: "resolve",
  reset: "reset",
  close: "close",
};

const ownTrouble = (incident: Incident): boolean => incident.zone_name === null && incident.rules.includes("system");

/** The step that comes next, then those that may be taken instead. */
export function stepsOf(incident: Incident): Step[] {
  const { state, condition } = incident;
  const reset: Step[] = condition !== "returned" && !ownTrouble(incident) ? ["reset"] : [];
  switch (state) {
    case "raised":
    case "dispatched":
      return ["acknowledge", "on-scene", "resolve", ...reset];
    case "acknowledged":
      return ["on-scene", "resolve", ...reset];
    case "on_scene":
      return ["resolve", ...reset];
    case "resolved":
      return condition === "returned" ? ["close"] : [...reset, "close"];
    case "closed":
      return [];
  }
}

interface Doing {
  busy: Signal<Verb | null>;
  error: Signal<unknown>;
  run: (verb: Verb, note?: string, disposition?: Disposition) => Promise<boolean>;
}

/** One action at a time; its failure stands beside it until the next one. */
export function useDoing(incident: Incident): Doing {
  const busy = useSignal<Verb | null>(null);
  const error = useSignal<unknown>(null);
  const run: Doing["run"] = async (verb, note = "", disposition) => {
    if (busy.value !== null) return false;
    busy.value = verb;
    error.value = null;
    try {
      const by = await whoActs();
      if (by === null) return false;
      learnIncident(await move(incident.id, verb, disposition ? { by, note, disposition } : { by, note }));
      return true;
    } catch (failure) {
      error.value = failure;
      return false;
    } finally {
      busy.value = null;
      refresh();
    }
  };
  return { busy, error, run };
}

interface Panel {
  ask: Key;
  confirm: string;
  ready: boolean;
  busy: boolean;
  onConfirm: (note: string) => void;
  onCancel: () => void;
  children?: ComponentChildren;
}

function ConfirmPanel({ ask, confirm, ready, busy, onConfirm, onCancel, children }: Panel) {
  const note = useSignal("");
  const panel = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => panel.current?.focus(), []);
  return (
    <div
      ref={panel}
      class="confirm"
      role="group"
      aria-label={t(ask)}
      tabIndex={-1}
      onKeyDown={(event) => event.key === "Escape" && onCancel()}
    >
      <p>{t(ask)}</p>
      {children}
      <textarea
        rows={2}
        maxLength={2000}
        placeholder={t("note")}
        aria-label={t("note")}
        data-testid="confirm-note"
        value={note.value}
        onInput={(event) => (note.value = event.currentTarget.value)}
      />
      <div class="row">
        <button type="button" class="quiet" onClick={onCancel}>
          {t("cancel")}
        </button>
        <button
          type="button"
          class="primary"
          data-testid="confirm"
          disabled={!ready || busy || !live.value}
          onClick={() => onConfirm(note.value)}
        >
          {busy ? t("sending") : confirm}
        </button>
      </div>
    </div>
  );
}

function ChooseDisposition({ chosen }: { chosen: Signal<Disposition | null> }) {
  const name = useId();
  return (
    <div class="dispositions" role="radiogroup" aria-label={t("disposition")}>
      {DISPOSITIONS.map((it) => (
        <label key={it} data-testid={`disposition-${it}`}>
          <input type="radio" name={name} checked={chosen.value === it} onChange={() => (chosen.value = it)} />
          {t(`disposition_${it}`)}
        </label>
      ))}
    </div>
  );
}

export function Actions({ incident, all }: { incident: Incident; all: boolean }) {
  const doing = useDoing(incident);
  const panel = useSignal<Step | null>(null);
  const chosen = useSignal<Disposition | null>(null);
  const place = useRef<HTMLDivElement>(null);
  const steps = stepsOf(incident);
  const [first, ...others] = steps;
  if (first === undefined) return null;
  const asked = panel.value !== null && steps.includes(panel.value) ? panel.value : null;
  const busy = doing.busy.value !== null;
  // Buttons come and go with the state: whoever uses the keyboard is led back to the one he pressed, or to what took its place.
  const pressed = useRef<Step | null>(null);
  const giveBack = (): void => {
    requestAnimationFrame(() => {
      if (document.activeElement !== document.body || place.current === null) return;
      const same = pressed.current && place.current.querySelector<HTMLElement>(`[data-testid="${TESTIDS[pressed.current]}"]:enabled`);
      (same ?? place.current).focus();
    });
  };
  const close = (): void => {
    panel.value = null;
    giveBack();
  };
  const press = async (step: Step): Promise<void> => {
    pressed.current = step;
    if (step !== "acknowledge" && step !== "on-scene") return void (panel.value = step);
    await doing.run(step);
    giveBack();
  };
  const finish = async (step: Step, note: string): Promise<void> => {
    const done = await doing.run(step, note, step === "close" ? (chosen.value ?? undefined) : undefined);
    if (done) close();
    else giveBack();
  };
  const cannotClose = (step: Step): boolean => step === "close" && incident.condition !== "returned";
  const button = (step: Step, primary: boolean) => (
    <button
      key={step}
      type="button"
      class={primary ? "primary" : "secondary"}
      data-testid={TESTIDS[step]}
      disabled={busy || !live.value || cannotClose(step)}
      onClick={() => void press(step)}
    >
      {doing.busy.value === step ? t("sending") : t(labelOf(step, incident))}
    </button>
  );
  return (
    <div ref={place} class="actions" tabIndex={-1}>
      {asked === null ? (
        <div class="buttons">
          {button(first, true)}
          {(all || incident.state === "resolved") && others.map((step) => button(step, false))}
        </div>
      ) : (
        <ConfirmPanel
          ask={asked === "close" ? "askClose" : asked === "reset" ? "askReset" : "askResolve"}
          confirm={
            asked !== "close"
              ? t(asked === "reset" ? "confirmReset" : "confirmResolve")
              : chosen.value
                ? t("confirmClose", { what: t(`disposition_${chosen.value}`) })
                : t("chooseFirst")
          }
          ready={asked !== "close" || chosen.value !== null}
          busy={busy}
          onConfirm={(note) => void finish(asked, note)}
          onCancel={close}
        >
          {asked === "close" && <ChooseDisposition chosen={chosen} />}
        </ConfirmPanel>
      )}
      {incident.state === "resolved" && incident.condition !== "returned" && (
        <p class="hint">{t(ownTrouble(incident) ? "systemTrouble" : "mustReset")}</p>
      )}
      <ErrorNote error={doing.error.value} />
    </div>
  );
}
