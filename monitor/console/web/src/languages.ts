/** What the daemon says in both languages at once: a Chinese sentence, then an English one. Knows no page. */
import type { Words } from "./answers";

const CHINESE_THEN_ENGLISH = /^(.*\p{Script=Han}.*[。！？])\s*(\p{Script=Latin}[^\p{Script=Han}。！？]*)$/su;

/** The sentence of each language; the whole text for both where it cannot be told apart. */
export function inBoth(text: string): Words {
  const [, zh = text, en = text] = CHINESE_THEN_ENGLISH.exec(text) ?? [];
  return { zh, en };
}
