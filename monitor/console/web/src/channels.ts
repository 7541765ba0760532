/** What a channel is called where people read it. Knows no view. */
import { named } from "./i18n";
import { channels } from "./store";
import { CHANNEL_KINDS } from "./words";

/** The word for its kind; the name that the site gave it beside that, where there are several of the kind, or in its place. */
export function channelName(channel: string): string {
  const kind = channels.value.get(channel) ?? channel;
  if (!(kind in CHANNEL_KINDS)) return channel;
  const alike = [...channels.value.values()].filter((it) => it === kind).length;
  return alike > 1 ? `${named(CHANNEL_KINDS, kind)} ${channel}` : named(CHANNEL_KINDS, kind);
}
