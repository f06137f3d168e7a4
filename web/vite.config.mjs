// @ts-check
// Plain JavaScript on purpose: loaded with `--configLoader native`, it needs no bundled copy written
// into node_modules, so the build also works when node_modules is read-only.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

const at = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url))

const MANIFEST = {
  name: '智慧城管通',
  short_name: '城管通',
  lang: 'zh-CN',
  start_url: '/field/',
  scope: '/field/',
  display: 'standalone',
  orientation: 'portrait',
  theme_color: '#0f3557',
  background_color: '#0f3557',
}

/**
 * Tells the service worker of the handheld which files its page consists of, and writes the page's manifest.
 * @returns {import('vite').Plugin}
 */
const fieldShell = () => ({
  name: 'field-shell',
  apply: 'build',
  enforce: 'post',
  generateBundle: {
    // After the plugin that writes the pages.
    order: 'post',
    handler(_, bundle) {
      const worker = bundle['field/sw.js']
      const page = bundle['field/index.html']
      const entry = Object.values(bundle).find((file) => file.type === 'chunk' && file.isEntry && file.name === 'field')
      if (worker?.type !== 'chunk' || page?.type !== 'asset' || entry?.type !== 'chunk') {
        throw new Error('the page of the handheld is not complete')
      }
      const names = new Set(['field/index.html'])
      /** @param {string} name */
      const take = (name) => {
        const file = bundle[name]
        if (file === undefined || names.has(name)) return
        names.add(name)
        if (file.type !== 'chunk') return
        const styles = /** @type {any} */ (file).viteMetadata
        for (const next of [...file.imports, ...file.dynamicImports, ...(styles?.importedCss ?? []), ...(styles?.importedAssets ?? [])]) take(next)
      }
      take(entry.fileName)
      const icon = /assets\/icon-[^"]+\.svg/.exec(String(page.source))?.[0]
      if (icon !== undefined) take(icon)
      const icons = [{ src: `/${icon}`, sizes: 'any', type: 'image/svg+xml', purpose: 'any' }]
      const manifest = JSON.stringify({ ...MANIFEST, icons })
      this.emitFile({ type: 'asset', fileName: 'field/manifest.webmanifest', source: manifest })
      const hash = createHash('sha256').update(manifest)
      for (const name of [...names].sort()) {
        const file = /** @type {any} */ (bundle[name])
        hash.update(name).update(file.type === 'chunk' ? file.code : file.source)
      }
      // The page by the address it is asked by.
      const files = ['field/manifest.webmanifest', ...names].map((name) => `/${name}`.replace(/index\.html$/, '')).sort()
      worker.code = worker.code
        .replaceAll('__SHELL_VERSION__', JSON.stringify(hash.digest('hex').slice(0, 16)))
        .replaceAll('__SHELL_FILES__', JSON.stringify(files))
    },
  },
})

/** The most script, by gzip, that may be loaded before somebody can report. */
const FIRST_LOAD_KB = 300
const REPORT_PAGE = '/src/field/ReportPage.vue'

/**
 * Adds up what the handheld loads until a report can be taken, all it imports at once included, and lets no build pass
 * whose sum is too large.
 * @returns {import('vite').Plugin}
 */
const firstLoad = () => ({
  name: 'first-load',
  apply: 'build',
  enforce: 'post',
  generateBundle: {
    order: 'post',
    handler(_, bundle) {
      /** @type {Map<string, number>} */
      const [scripts, styles] = [new Map(), new Map()]
      const packed = (/** @type {string | Uint8Array} */ content) => gzipSync(content).length / 1000
      /** @param {string} name */
      const take = (name) => {
        const file = bundle[name]
        if (file?.type !== 'chunk' || scripts.has(name)) return
        scripts.set(name, packed(file.code))
        for (const style of /** @type {any} */ (file).viteMetadata?.importedCss ?? []) {
          styles.set(style, packed(/** @type {any} */ (bundle[style]).source))
        }
        file.imports.forEach(take)
      }
      const chunks = Object.values(bundle).filter((file) => file.type === 'chunk')
      const entry = chunks.find(({ isEntry, name }) => isEntry && name === 'field')
      const report = chunks.find(({ moduleIds }) => moduleIds.some((id) => id.endsWith(REPORT_PAGE)))
      if (entry === undefined || report === undefined) throw new Error('the page that takes a report was not found')
      for (const { fileName } of [entry, report]) take(fileName)
      const sum = (/** @type {Map<string, number>} */ sizes) => [...sizes.values()].reduce((a, b) => a + b, 0)
      const said = [...scripts, ...styles].map(([name, size]) => `  ${name} ${size.toFixed(1)} kB`)
      const total = `to take a report the handheld loads ${sum(scripts).toFixed(1)} kB of script (of at most ${FIRST_LOAD_KB}) and ${sum(styles).toFixed(1)} kB of styles, by gzip:`
      if (sum(scripts) > FIRST_LOAD_KB) this.error([total, ...said].join('\n'))
      this.info([total, ...said].join('\n'))
    },
  },
})

/**
 * Puts the typeface of printed documents, which the server draws itself, beside the pages; no address serves it.
 * @returns {import('vite').Plugin}
 */
const typeface = () => ({
  name: 'typeface',
  apply: 'build',
  generateBundle() {
    const from = (/** @type {string} */ path) => readFileSync(at(`./node_modules/@expo-google-fonts/noto-serif-sc/${path}`))
    const source = from('400Regular/NotoSerifSC_400Regular.ttf')
    this.emitFile({ type: 'asset', fileName: 'print/NotoSerifSC-Regular.ttf', source })
    // The SIL Open Font Licence goes where the typeface goes.
    this.emitFile({ type: 'asset', fileName: 'print/NotoSerifSC-LICENCE.txt', source: from('LICENSE_FONT') })
  },
})

export default defineConfig({
  root: at('./src'),
  base: '/',
  publicDir: false,
  // Not under `root`: build.rs watches `src`, and a cache there would rebuild for ever.
  cacheDir: at('./node_modules/.vite'),
  plugins: [vue(), fieldShell(), firstLoad(), typeface()],
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
      // One entry per page, and the handheld's service worker.
      input: {
        console: at('./src/console/index.html'),
        field: at('./src/field/index.html'),
        sw: at('./src/field/sw.ts'),
      },
      output: {
        // `assets/` holds hashed names only: lib.rs promises that they never change. A service worker keeps its name
        // for ever, and lies where it rules.
        hashCharacters: 'hex',
        entryFileNames: ({ name }) => (name === 'sw' ? 'field/sw.js' : 'assets/[name]-[hash].js'),
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
