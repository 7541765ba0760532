import { defineConfig } from "vitest/config";
import { licences } from "./licences.ts";

// `npm run dev` speaks to a daemon that runs already; its token comes from the environment and stays in this process.
const daemon = process.env["WANGLOU_URL"] ?? "http://127.0.0.1:8119";
const token = process.env["WANGLOU_TOKEN"];

export default defineConfig({
  build: {
    outDir: "../page",
    emptyOutDir: true,
    sourcemap: false,
    target: "es2022",
    modulePreload: { polyfill: false },
    // Nothing inline: the page is served with a policy that allows only its own files.
    assetsInlineLimit: 0,
  },
  plugins: [licences()],
  server: {
    host: "127.0.0.1",
    proxy: { "/api": { target: daemon, headers: token ? { Authorization: `Bearer ${token}` } : {} } },
  },
  test: { include: ["test/*.test.ts"] },
});
