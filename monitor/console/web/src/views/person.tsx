/** Asks who is on duty. A dialog of the browser's own, so that keyboard and screen readers find their way. */
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { asking, person } from "../person";

export function PersonDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const name = useSignal("");
  const answer = asking.value;
  useLayoutEffect(() => {
    if (answer === null) return dialog.current?.close();
    name.value = person.value;
    dialog.current?.showModal();
  }, [answer]);
  const submit = (event: Event): void => {
    event.preventDefault();
    const given = name.value.trim();
    if (given !== "") answer?.(given);
  };
  return (
    <dialog ref={dialog} onCancel={() => answer?.(null)}>
      <form onSubmit={submit}>
        <label for="person">{t("personAsk")}</label>
        <input
          id="person"
          data-testid="person"
          maxLength={100}
          autocomplete="name"
          value={name.value}
          onInput={(event) => (name.value = event.currentTarget.value)}
        />
        <p class="hint">{t("personWhy")}</p>
        <div class="row">
          <button type="button" class="quiet" onClick={() => answer?.(null)}>
            {t("cancel")}
          </button>
          <button type="submit" class="primary" data-testid="person-save" disabled={name.value.trim() === ""}>
            {t("save")}
          </button>
        </div>
      </form>
    </dialog>
  );
}
