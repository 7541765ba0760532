import { expect, test } from "vitest";
import { attached } from "../src/attachments";

const PHOTO = `${"0a".repeat(32)}.jpg`;

test("a report's photo and contact are taken out of its note", () => {
  const note = `冒烟 smoke: “楼道有烟”; 照片 photo ${PHOTO}; 留有联系方式 left a contact: 0123456789ab`;
  expect(attached(note, "report")).toEqual({ text: "冒烟 smoke: “楼道有烟”", photo: PHOTO, contact: "0123456789ab" });
  expect(attached(`明火 fire: 照片 photo ${PHOTO}`, "report")).toEqual({ text: "明火 fire", photo: PHOTO, contact: "" });
  expect(attached("明火 fire: “快来”", "report")).toEqual({ text: "明火 fire: “快来”", photo: "", contact: "" });
});

test("words that only look like it are left alone", () => {
  const note = `照片 photo ${PHOTO}`;
  expect(attached(note, "page")).toEqual({ text: note, photo: "", contact: "" });
  expect(attached("照片 photo ../../etc/passwd", "report").photo).toBe("");
});
