/** What came with a resident's report: a photo, and whether a contact was left (monitor/report_desk.py). Knows no view. */

export interface Attached {
  /** The note without what is shown otherwise. */
  text: string;
  /** The photo's name; empty without one. */
  photo: string;
  /** The report under which a contact is kept; empty without one. */
  contact: string;
}

const PHOTO = /照片 photo ([0-9a-f]{64}\.(?:jpg|png))/;
const CONTACT = /留有联系方式 left a contact: ([0-9a-f]{12})/;

/** Only of a note that came by a report: what somebody else writes is shown as it is written. */
export function attached(note: string, via: string): Attached {
  if (via !== "report") return { text: note, photo: "", contact: "" };
  const [photo, contact] = [PHOTO.exec(note), CONTACT.exec(note)];
  const without = (text: string, what: RegExp): string => text.replace(new RegExp(`(; )?${what.source}`), "");
  const text = without(without(note, PHOTO), CONTACT).replace(": ; ", ": ").replace(/: $/, "");
  return { text, photo: photo?.[1] ?? "", contact: contact?.[1] ?? "" };
}
