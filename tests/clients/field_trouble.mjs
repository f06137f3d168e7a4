// The handheld's page in trouble, in a real Chromium against the real server:
//   node field_trouble.mjs '{"origin": …, "code": …, "device": …, "unit": …, "tokens": {"admin": …, "chen": …},
//                            "password": …, "chromium": …, "profile": …, "parcel": …, "shots": …}'
// Two people share the device: 张伟 (zhang, inspector) and 李强 (li, officer of the unit); 陈静 (chen) dispatches.
// Between the page and the server stands a proxy that can refuse pushes and uploads, and serve the next version of the
// page. The last line is one JSON object: what was found, for the test to compare with the server.
import { createHash } from 'node:crypto'
import { createServer, request } from 'node:http'
import { kept, look as examine, open as launch, rows, shoot } from './handheld.mjs'

const job = JSON.parse(process.argv[2])
const findings = []
const said = {}
/** What the proxy does: `closed` refuses what brings work home, `next` serves a page that is newer. */
const way = { closed: false, next: false }

const { hostname, port } = new URL(job.origin)
const proxy = createServer((asked, answer) => {
  if (way.closed && asked.method !== 'GET' && /\/(sync\/|uploads|captures)/.test(asked.url)) {
    asked.resume()
    answer.writeHead(503, { 'Retry-After': '1' })
    answer.end()
    return
  }
  const script = way.next && asked.url === '/field/sw.js'
  const headers = { ...asked.headers }
  // What is to be changed must come whole and as text, neither "not modified" nor packed.
  if (script) for (const name of ['if-none-match', 'accept-encoding']) delete headers[name]
  const onward = request({ hostname, port, path: asked.url, method: asked.method, headers }, from => {
    if (!script) {
      answer.writeHead(from.statusCode, from.headers)
      from.pipe(answer)
      return
    }
    // A newer version is one whose files have another hash.
    let text = ''
    from.setEncoding('utf8')
    from.on('data', part => (text += part))
    from.on('end', () => {
      answer.writeHead(200, { 'content-type': from.headers['content-type'], 'cache-control': 'no-cache' })
      answer.end(text.replace(/[0-9a-f]{16}/, '0123456789abcdef'))
    })
  })
  onward.on('error', () => answer.destroy())
  asked.pipe(onward)
  // A device that reads no more holds no question open.
  answer.on('close', () => onward.destroy())
})
await new Promise(ready => proxy.listen(0, '127.0.0.1', ready))
const origin = `http://127.0.0.1:${proxy.address().port}`

let context
let page

async function open(begin = null, camera = true) {
  ;({ context, page } = await launch(job, origin, begin, camera))
}

const look = async name => findings.push(...(await examine(page, job.shots, name)))
const tab = name => page.getByRole('link', { name, exact: true }).click()
const strip = text => page.getByTestId('strip').getByText(text).waitFor()
const sync = () => page.getByRole('button', { name: '立即同步' }).click()

/** What somebody at the Centre does meanwhile. */
async function api(method, path, who, body, type = 'application/json') {
  const headers = { authorization: `Bearer ${job.tokens[who]}`, 'content-type': type }
  const answer = await fetch(`${job.origin}/api/v1${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer.status === 204 ? null : answer.json()
}

async function login(username, pin) {
  await page.locator('[name=username]').fill(username)
  await page.locator('[name=password]').fill(job.password)
  await page.getByRole('button', { name: '登录', exact: true }).click()
  await page.locator('[name=pin]').fill(pin)
  await page.locator('[name=pin-again]').fill(pin)
  await page.getByRole('button', { name: '保存' }).click()
  await page.getByRole('heading', { name: '任务' }).waitFor()
}

async function handOver() {
  await tab('我的')
  await page.getByTestId('hand-over').click()
}

async function unlock(name, pin) {
  await page.getByTestId('person').getByText(name).click()
  await page.locator('[name=pin]').fill(pin)
  await page.getByRole('button', { name: '解锁' }).click()
}

/** With `handled`, the reporter has put it right at once, and shows how it looks afterwards; `filmed`, with a clip. */
async function report(text, handled = null, filmed = false) {
  await page.getByTestId('report').click()
  await shoot(page, 1)
  await page.getByTestId('fill').click()
  await page.locator('[name=description]').fill(text)
  if (handled !== null) {
    await page.getByTestId('self-handled').check()
    await page.locator('[name=handled]').fill(handled)
    await page.getByText('自行处置需要').waitFor()
    await page.getByRole('button', { name: '补拍' }).click()
    await shoot(page, 2, 1)
    await page.getByTestId('fill').click()
  }
  if (filmed) {
    await film()
    await look('film')
  }
  await page.getByTestId('submit').click()
  await page.getByTestId('saved').waitFor()
  await tab('任务')
}

/** A film of a second, by the browser's own recorder. */
async function film() {
  await page.getByTestId('clip-open').click()
  await page.getByTestId('clip-start').click()
  await page.getByTestId('clip-stop').getByText(/[1-9]\d* \/ 30/).waitFor()
  await page.getByTestId('clip-stop').click()
  await page.getByTestId('clip').waitFor()
}

/** Words, and nothing else, to the first case. */
async function remark(text) {
  await tab('任务')
  await page.locator('.rows .row').first().click()
  await page.getByTestId('step-note').click()
  await page.locator('[name=words]').fill(text)
  await page.getByTestId('step-submit').click()
  await page.getByTestId('stage').waitFor()
}

const marks = []
let began = performance.now()
/** How long each part took, milliseconds. */
function mark(name) {
  marks.push([name, Math.round(performance.now() - began)])
  began = performance.now()
}

/** The report with these words, when it and all photos are on the server. */
async function arrived(description) {
  for (;;) {
    const { sent, media } = await rows(page, 'sent', 'media')
    const op = sent.map(({ raw }) => JSON.parse(raw)).find(({ args }) => args.description === description)
    if (op !== undefined && media.every(({ state }) => state === 'stored')) return op
    await page.waitForTimeout(100)
  }
}

const waiting = async () => (await rows(page, 'outbox')).outbox.map(({ raw }) => JSON.parse(raw))

try {
  const square = (code, west) => {
    const [east, south, north] = [west + 0.004, 27.438, 27.442]
    const ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return { type: 'Feature', properties: { code, name: code }, geometry: { type: 'Polygon', coordinates: [ring] } }
  }
  const features = [square('43122100100101', 109.942), square('43122100100102', 109.946)]
  await api('PUT', '/grids/map', 'admin', { type: 'FeatureCollection', features }, 'application/geo+json')
  await open()
  await page.evaluate(() => navigator.serviceWorker.ready)
  // As the QR code on the computer's screen says, and the page is open already.
  await page.goto(`${origin}/field/#enrol/${job.code}`)
  await page.getByRole('button', { name: '登记' }).click()
  await login('zhang', '402816')
  await tab('我的')
  await page.getByTestId('language-en').click()
  await page.getByRole('heading', { name: 'Me / Sync' }).waitFor()
  await page.reload()
  await page.getByRole('button', { name: 'Sync now' }).waitFor()
  said.language = await page.evaluate(() => document.documentElement.lang)
  await look('english')
  await page.getByTestId('language-zh').click()
  await report('占道经营', null, true)
  await strip('全部已上传')
  const clip = (await rows(page, 'media')).media.find(({ mime }) => mime === 'video/mp4')
  const stored = (await api('GET', '/evidence?limit=10', 'chen')).items.find(({ media_type }) => media_type === 'video/mp4')
  said.film = { here: [clip.sha256, clip.size], there: [stored.sha256, stored.size] }
  const first = (await kept(page)).reports[0].id
  await api('POST', `/cases/${first}/commands`, 'chen', {
    type: 'dispatch', args: { unit_id: job.unit, limit: { kind: 'natural_day', value: 3 } },
  })
  await handOver()
  await page.getByTestId('other-person').click()
  await login('li', '775310')
  await page.locator('.rows .row').first().waitFor()
  await tab('今日')
  await look('today')
  await tab('任务')

  mark('two people')
  // Without a network: the officer handles, with a photo of before and of after.
  await page.locator('.rows .row').first().click()
  await page.getByText('办理过程').waitFor()
  await page.getByTestId('pictures').waitFor()
  await look('case')
  await context.setOffline(true)
  await strip('离线')
  await page.getByTestId('step-handle').click()
  await page.getByTestId('step-camera').click()
  for (const count of [1, 2]) {
    await page.locator('[data-testid=shoot]:not([disabled])').click()
    if (count === 1) await page.getByTestId('shots-done').getByText('已拍 1 张').waitFor()
  }
  await page.getByRole('button', { name: '已清理完毕' }).click()
  await look('step')
  await page.getByTestId('step-submit').click()
  await page.getByTestId('stage').getByText('已处置待申请').waitFor()

  mark('handled')
  // The map needs no network: the case stands where it was reported, among the grids.
  await tab('任务')
  await page.getByTestId('map').click()
  await page.getByRole('img', { name: '1 件有位置的案件，0 个点位，2 个网格' }).waitFor()
  const map = page.getByTestId('map-canvas')
  const { width, height } = await map.boundingBox()
  await map.click({ position: { x: width / 2, y: height / 2 } })
  await page.getByTestId('map-card').waitFor()
  await look('map')

  // The shift changes: the other person finds nothing of it, and what waits stays in the first one's name.
  await handOver()
  await unlock('张伟', '000001')
  await page.getByText('还可以试 4 次').waitFor()
  await look('unlock-wrong')
  await page.locator('[name=pin]').fill('402816')
  await page.getByRole('button', { name: '解锁' }).click()
  await page.getByRole('heading', { name: '任务' }).waitFor()
  said.rows_of_the_other = await page.locator('.rows .row').count()
  await report('井盖移位', '已复位')
  await handOver()
  const ops = await waiting()
  said.actors_waiting = ops.map(({ actor }) => actor)
  said.self_handled = ops[1].target.id
  // A locked device sends what waits, also when it was shut down in between.
  await context.close()
  await open()
  await page.getByTestId('person').first().waitFor()
  await tab('我的')
  await page.getByTestId('count-records').getByText('0', { exact: true }).waitFor()
  await strip('全部已上传')

  mark('shift')
  // Both corrected the address: the person reads both, and says what they know.
  await page.getByText('登录或解锁').click()
  await unlock('李强', '775310')
  await page.locator('.rows .row').first().click()
  await page.getByTestId('stage').getByText('已处置待申请').waitFor()
  await context.setOffline(true)
  await page.getByTestId('step-edit').click()
  await page.locator('[name=address]').fill('人民路 3 号')
  await page.getByTestId('step-submit').click()
  await page.getByTestId('stage').waitFor()
  await api('POST', `/cases/${first}/commands`, 'chen', { type: 'edit', args: { address: { old: null, new: '建设路 9 号' } } })
  await context.setOffline(false)
  await tab('我的')
  const card = page.getByTestId('conflict')
  await card.getByText('您改为：人民路 3 号').waitFor()
  await card.getByText('现在是：建设路 9 号').waitFor()
  await card.locator('[name=conflict-words]').fill('门牌在人民路一侧')
  await look('conflict')
  await card.getByTestId('explain').click()
  await card.getByText('说明已存本机').waitFor()
  await strip('全部已上传')

  mark('conflict')
  // The token runs out offline, and the session with it: work goes on, and waits for nobody.
  await tab('任务')
  await context.setOffline(true)
  await remark('令牌过期之前')
  await page.evaluate(async () => {
    const asked = request => new Promise(resolve => (request.onsuccess = () => resolve(request.result)))
    const db = await asked(indexedDB.open('chengguan-field'))
    const session = await asked(db.transaction('meta').objectStore('meta').get('session'))
    // As if it had lain for a week: neither token is taken any more.
    const stale = { ...session, access_token: 'stale', refresh_token: 'stale' }
    await asked(db.transaction('meta', 'readwrite').objectStore('meta').put(stale, 'session'))
    db.close()
  })
  await context.setOffline(false)
  await tab('我的')
  await page.getByText('登录已过期，请重新登录').waitFor()
  await strip('全部已上传')
  await page.getByText('登录或解锁').click()
  await page.getByTestId('other-person').click()
  await login('li', '775310')

  mark('token')
  // The clock is a day wrong.
  await context.close()
  await open(`{
    const real = Date, day = 86400000
    const Wrong = class extends real {
      constructor(...args) { args.length === 0 ? super(real.now() + day) : super(...args) }
      static now() { return real.now() + day }
    }
    globalThis.Date = Wrong
  }`)
  // Nobody touched it for a day, as it must believe.
  await unlock('李强', '775310')
  await remark('时间错了一天')
  await tab('我的')
  await page.getByText('本机时间比服务器快').waitFor()
  await strip('全部已上传')
  await context.close()

  mark('clock')
  // The page gets no camera: the phone's own takes the photo, and its bytes and its time are kept as they are.
  await open(null, false)
  await unlock('李强', '775310')
  await page.getByTestId('report').click()
  const photo = page.getByTestId('photo-file')
  await photo.waitFor({ state: 'attached' })
  await look('no-camera')
  const files = { name: 'IMG_0001.jpg', mimeType: 'image/jpeg' }
  await photo.setInputFiles({ ...files, buffer: Buffer.from('no photo') })
  await page.getByText('不是能打开的 JPEG 照片').waitFor()
  // What the camera's app wrote: a photo of this page with a byte more.
  const shot = await page.evaluate(async () => {
    const asked = request => new Promise(resolve => (request.onsuccess = () => resolve(request.result)))
    const db = await asked(indexedDB.open('chengguan-field'))
    const { sha256 } = (await asked(db.transaction('media').objectStore('media').getAll())).find(({ mime }) => mime === 'image/jpeg')
    const blob = await asked(db.transaction('blobs').objectStore('blobs').get(sha256))
    db.close()
    return [...new Uint8Array(await blob.arrayBuffer())]
  })
  const bytes = Buffer.from([...shot, 0])
  await photo.setInputFiles({ ...files, buffer: bytes })
  await page.getByTestId('fill').getByText('已拍 1 张').click()
  // The problem is across the street: the mark is put there, and both places are kept.
  await page.locator('[name=description]').fill('手机相机拍的')
  await page.getByTestId('place-correct').click()
  for (let step = 0; step < 5; step += 1) await page.getByTestId('place-map').press('ArrowRight')
  await page.getByTestId('place').getByText('向东').waitFor()
  await look('place')
  await page.getByTestId('place-done').click()
  await page.getByTestId('submit').click()
  await page.getByTestId('saved').waitFor()
  const filed = await arrived('手机相机拍的')
  const piece = (await api('GET', '/evidence?limit=200', 'chen')).items.find(({ sha256 }) => sha256 === filed.evidence[0].sha256)
  const placed = await api('GET', `/cases/${filed.target.id}`, 'chen')
  said.camera_app = {
    same_bytes: createHash('sha256').update(bytes).digest('hex') === piece?.sha256,
    same_time: Date.parse(filed.evidence[0].captured_at) === Date.parse(piece?.captured_at),
    where_it_was_put: JSON.stringify(placed.position) === JSON.stringify(filed.args.position),
    where_it_was_measured: piece?.gps?.lon === filed.gps.lon && filed.gps.lon < filed.args.position.lon,
  }
  await context.close()
  await open()

  mark('no camera')
  // The storage is full: what is there stays, and the person is told before anything is lost.
  await page.getByTestId('report').click()
  await page.locator('[data-testid=shoot]:not([disabled])').waitFor()
  const devtools = await context.newCDPSession(page)
  await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1 })
  await page.getByTestId('shoot').click()
  await page.getByText('本机存储空间不足').waitFor()
  await devtools.send('Storage.overrideQuotaForOrigin', { origin })
  await page.getByTestId('shoot').click()
  await page.getByTestId('fill').getByText('已拍 1 张').waitFor()

  mark('storage')
  // Nothing goes home while the page is replaced by a newer one; a file brings it there.
  way.closed = true
  await page.getByTestId('fill').click()
  await page.locator('[name=description]').fill('更新之前')
  await page.getByTestId('submit').click()
  await page.getByTestId('saved').waitFor()
  await tab('任务')
  way.next = true
  await page.reload()
  await page.getByText('新版本已就绪').waitFor()
  await tab('我的')
  const before = await waiting()
  await look('update')
  await Promise.all([page.waitForEvent('load'), page.getByText('新版本已就绪').click()])
  await page.getByTestId('count-records').waitFor()
  said.shells = await page.evaluate(() => caches.keys())
  said.kept_over_the_update = JSON.stringify(await waiting()) === JSON.stringify(before) && before.length === 1
  const [parcel] = await Promise.all([page.waitForEvent('download'), page.getByTestId('export').click()])
  await parcel.saveAs(job.parcel)
  await page.getByText('已导出 1 条记录、1 张照片').waitFor()
  said.exported = before.map(({ op_id, target }) => ({ op_id, case: target.id }))
  process.stdout.write('import\n')
  await new Promise(done => process.stdin.once('data', done))
  way.closed = false
  await sync()
  await strip('全部已上传')
  said.duplicate = (await rows(page, 'sent')).sent.find(({ op_id }) => op_id === before[0].op_id).result.duplicate === true

  mark('update')
  // The device is revoked: what was read is gone, what was saved is not.
  await context.setOffline(true)
  await remark('停用之后')
  await api('POST', `/devices/${job.device}/revoke`, 'admin')
  await context.setOffline(false)
  await tab('我的')
  await page.getByText('此设备已被停用').waitFor()
  await page.getByText('此设备已停用，内容已另存').waitFor()
  await look('revoked')
  const { base, sent } = await rows(page, 'base', 'sent')
  said.left_after_revocation = base.length
  said.statuses = Object.fromEntries(sent.map(({ raw, status, result }) => [JSON.parse(raw).args.text ?? JSON.parse(raw).type, [status, result.code ?? null]]))
  said.first = first
  mark('revoked')
  said.marks = marks
  process.stdout.write(`${JSON.stringify({ said, findings })}\n`)
} catch (error) {
  // What the person would see.
  console.error(await page?.locator('body').innerText().catch(() => 'no page'))
  throw error
} finally {
  await context?.close()
}
process.exit(0)
