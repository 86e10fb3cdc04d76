import { env } from "node:process";
import { defineConfig } from "vite";

// Where `oms serve --http` answers, for the development server: it passes what is not the page itself on to it.
const broker = env.OMS_HTTP ?? "http://127.0.0.1:7668";

export default defineConfig({
  base: "./",
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  server: { host: "127.0.0.1", proxy: { "/v1": broker } },
  build: {
    outDir: "../openmessaging/server/dashboard",
    emptyOutDir: true,
    target: ["chrome123", "firefox120", "safari17.5"],
    modulePreload: false,
    assetsInlineLimit: 0,
  },
});
