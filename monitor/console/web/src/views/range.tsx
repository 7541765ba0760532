/** Choosing the time of a history. */
import { useSignal } from "@preact/signals";
import { localInput } from "../format";
import { t } from "../i18n";
import { RANGES, type Range } from "../ranges";

interface Props {
  range: Range;
  span: { from: number; to: number };
  onChange: (range: Range) => void;
}

export function RangePicker({ range, span, onChange }: Props) {
  const custom = useSignal(range.name === "custom");
  const wrong = useSignal(false);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const [from, to] = [Date.parse(String(data.get("from"))), Date.parse(String(data.get("to")))];
    wrong.value = !(from < to);
    if (from < to) onChange({ name: "custom", from, to });
  };
  return (
    <div class="ranges">
      <div class="row pills" role="group" aria-label={t("range")}>
        {RANGES.map((name) => (
          <button
            key={name}
            type="button"
            class="pill"
            aria-pressed={range.name === name}
            data-testid={`range-${name}`}
            onClick={() => {
              custom.value = false;
              onChange({ name });
            }}
          >
            {t(`range_${name}`)}
          </button>
        ))}
        <button
          type="button"
          class="pill"
          aria-pressed={range.name === "custom"}
          aria-expanded={custom.value}
          data-testid="range-custom"
          onClick={() => (custom.value = !custom.value)}
        >
          {t("range_custom")}
        </button>
      </div>
      {custom.value && (
        <form class="row" onSubmit={submit}>
          <label>
            {t("from")} <input type="datetime-local" name="from" required defaultValue={localInput(span.from)} key={`f${span.from}`} data-testid="range-from" />
          </label>
          <label>
            {t("to")} <input type="datetime-local" name="to" required defaultValue={localInput(span.to)} key={`t${span.to}`} data-testid="range-to" />
          </label>
          <button type="submit" class="secondary" data-testid="range-show">
            {t("show")}
          </button>
          {wrong.value && (
            <p class="error" role="alert">
              {t("badRange")}
            </p>
          )}
        </form>
      )}
    </div>
  );
}
