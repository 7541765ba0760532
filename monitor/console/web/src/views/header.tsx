/** The head of every view: where to go, who is on duty, language, light, and whether all this is live. */
import { computed } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { second } from "../clock";
import { lacking } from "../coverage";
import { clock } from "../format";
import { language, t } from "../i18n";
import { askPerson, person } from "../person";
import { href, route } from "../router";
import { coverage, link, open } from "../store";
import { switchTheme, theme } from "../theme";
import { Icon } from "./parts";

interface TabProps {
  name: "board" | "devices" | "past" | "coverage" | "duty" | "reports";
  count?: number;
  /** The count is no alarm. */
  mild?: boolean;
}

function Tab({ name, count, mild = false }: TabProps) {
  const here = route.value.path[0] ?? "board";
  const current = here === name || (name === "board" && here === "incidents");
  return (
    <a href={href(name === "board" ? [] : [name])} aria-current={current ? "page" : undefined} data-testid={`tab-${name}`}>
      {t(name)}
      {count ? <span class={`tab-count${mild ? " tab-count-mild" : ""}`}>{count}</span> : null}
    </a>
  );
}

const unanswered = computed(() => lacking(coverage.value?.items ?? []).unanswered);

function LinkState() {
  const state = link.value.state;
  const word = state === "live" ? t("connected") : state === "lost" ? t("disconnected") : t("connecting");
  return (
    <span class={`link link-${state}`} data-testid="link" data-link={state} title={word}>
      <span class="link-dot" aria-hidden="true" />
      <span class="link-word">{word}</span>
      <time class="mono">{clock(second.value * 1000)}</time>
    </span>
  );
}

export function Header() {
  const tabs = useRef<HTMLElement>(null);
  // On a phone the tabs are longer than the screen: the present one is pushed into view.
  useEffect(() => tabs.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [route.value]);
  return (
    <header class="head">
      <a class="brand" href="#/" aria-label={t("wanglou")}>
        <img src="/icon.svg" alt="" width="32" height="32" />
        <span>{t("wanglou")}</span>
      </a>
      <nav class="tabs" ref={tabs}>
        <Tab name="board" count={open.value.length} />
        <Tab name="devices" />
        <Tab name="past" />
        <Tab name="coverage" count={unanswered.value} mild />
        <Tab name="duty" />
        <Tab name="reports" />
      </nav>
      <div class="head-tools">
        <LinkState />
        <button type="button" class="tool" data-testid="person-change" aria-label={person.value || t("personNone")} onClick={() => void askPerson()}>
          <Icon name="person" />
          <span class="tool-word">{person.value || t("personNone")}</span>
        </button>
        <button
          type="button"
          class="tool"
          title={theme.value === "dark" ? t("themeLight") : t("themeDark")}
          aria-label={theme.value === "dark" ? t("themeLight") : t("themeDark")}
          data-testid="theme"
          onClick={switchTheme}
        >
          {theme.value === "dark" ? "☀" : "☾"}
        </button>
        <button
          type="button"
          class="tool"
          data-testid="lang"
          aria-label={t("languageLong")}
          onClick={() => (language.value = language.value === "zh" ? "en" : "zh")}
        >
          {t("language")}
        </button>
      </div>
    </header>
  );
}
