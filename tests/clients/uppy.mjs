// Stock Uppy with its tus plugin, bundled as its documentation shows, in a real Chromium:
//   node uppy.mjs '{"server": …, "token": …, "file": …, "sha256": …, "stop_at": …, "chromium": …}'
// The page is of the server's own origin, as an app of ours would be. Every connection breaks once `stop_at` bytes were
// sent, and for half a second there are none. Prints one JSON object: what the server was asked, and how it ended.
import net from 'node:net'
import { buildSync } from 'esbuild'
import { chromium } from 'playwright-core'

const job = JSON.parse(process.argv[2])
const page_source = `
  import Uppy from '@uppy/core'
  import Tus from '@uppy/tus'
  window.begin = job => {
    const uppy = new Uppy()
    uppy.use(Tus, {
      endpoint: '/api/v1/uploads',
      headers: { Authorization: 'Bearer ' + job.token },
      retryDelays: [0, 200, 500, 1000, 2000],
      allowedMetaFields: ['sha256', 'name', 'type'],
    })
    const file = document.querySelector('input').files[0]
    uppy.addFile({ name: file.name, type: file.type, data: file, meta: { sha256: job.sha256 } })
    uppy.on('upload-progress', (_, progress) => window.progress(progress.bytesUploaded))
    return uppy.upload().then(result => ({
      successful: result.successful.map(one => one.uploadURL),
      failed: result.failed.map(one => String(one.error)),
    }))
  }
`
const bundle = buildSync({
  stdin: { contents: page_source, resolveDir: import.meta.dirname, loader: 'js' },
  bundle: true,
  write: false,
  format: 'iife',
  logLevel: 'error',
}).outputFiles[0].text

const links = new Set()
let broken = false
const way = net.createServer(client => {
  const server = net.connect(Number(new URL(job.server).port), '127.0.0.1')
  for (const [one, other] of [[client, server], [server, client]]) {
    links.add(one)
    one.on('error', () => {})
    one.on('close', () => {
      links.delete(one)
      other.destroy()
    })
    one.pipe(other)
  }
  if (broken) client.destroy()
})
await new Promise(resolve => way.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${way.address().port}`

const browser = await chromium.launch({
  executablePath: job.chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
})
try {
  const context = await browser.newContext({ serviceWorkers: 'block' })
  const page = await context.newPage()
  const asked = []
  page.on('request', request => {
    if (request.url().includes('/api/v1/uploads')) asked.push(request.method())
  })
  page.on('pageerror', error => console.error(String(error)))
  await page.route('**/uppy-test.html', route =>
    route.fulfill({ contentType: 'text/html', body: `<!doctype html><input type="file"><script>${bundle}</script>` }),
  )
  let stopped = false
  await page.exposeFunction('progress', async sent => {
    if (!stopped && job.stop_at && sent >= job.stop_at) {
      stopped = true
      broken = true
      for (const link of links) link.destroy()
      await new Promise(resolve => setTimeout(resolve, 500))
      broken = false
    }
  })
  await page.goto(`${origin}/uppy-test.html`)
  await page.setInputFiles('input', job.file)
  const ended = await page.evaluate(job => window.begin(job), job)
  process.stdout.write(`${JSON.stringify({ ...ended, asked, stopped })}\n`)
} finally {
  await browser.close()
  way.close()
  for (const link of links) link.destroy()
}
