// @ts-check
// Plain JavaScript on purpose: loaded with `--configLoader native`, it needs no bundled copy written
// into node_modules, so the build also works when node_modules is read-only.
import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

const at = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  root: at('./src'),
  base: '/',
  publicDir: false,
  // Not under `root`: build.rs watches `src`, and a cache there would rebuild for ever.
  cacheDir: at('./node_modules/.vite'),
  plugins: [vue()],
  build: {
    // Only for `npm run build` by hand; build.rs passes its own --outDir.
    outDir: at('./dist'),
    emptyOutDir: true,
    // Offices and handhelds run browsers some years old.
    target: ['chrome87', 'firefox88', 'safari14'],
    // No data: URLs: the pages run under `default-src 'self'`.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      // One entry per page; the handheld client will be `field: at('./src/field/index.html')`.
      input: { console: at('./src/console/index.html') },
      output: {
        // `assets/` holds hashed names only: lib.rs promises that they never change.
        entryFileNames: 'assets/[name]-[hash].js',
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
  server: {
    // `npm run dev` beside a running `chengguan serve`.
    proxy: Object.fromEntries(
      ['/api', '/docs', '/healthz'].map((path) => [path, 'http://127.0.0.1:8080']),
    ),
  },
})
