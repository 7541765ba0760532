/**
 * The licences of everything that ends up in the built page, whole, as `licences.txt` beside it.
 * Knows nothing of the page: it asks the bundler which packages it used.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

/** The folder of the package that a module belongs to, if it is not our own. */
const PACKAGE = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/;

function licenceOf(folder: string): string {
  const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, string>;
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined) throw new Error(`${about["name"]} is bundled and has no licence file`);
  const text = readFileSync(join(folder, file), "utf8").trim();
  return `${about["name"]} ${about["version"]} (${about["license"]})\n\n${text}\n`;
}

/** A build with a bundled package that has no licence fails. */
export function licences(): Plugin {
  return {
    name: "licences",
    apply: "build",
    generateBundle(_options, bundle) {
      const folders = new Set<string>();
      for (const output of Object.values(bundle)) {
        for (const module of output.type === "chunk" ? output.moduleIds : []) {
          const folder = PACKAGE.exec(module.replaceAll("\\", "/"))?.[0];
          if (folder !== undefined) folders.add(folder.replace(/^\0/, ""));
        }
      }
      const rule = `\n${"-".repeat(80)}\n\n`;
      const source = ["This page is built with these packages.\n", ...[...folders].map(licenceOf).sort()].join(rule);
      this.emitFile({ type: "asset", fileName: "licences.txt", source });
    },
  };
}
