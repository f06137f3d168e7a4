// An officer's evidence on the handheld's page, in a real Chromium against the real server:
//   node field_officer.mjs '{"origin": …, "code": …, "unit": …, "officer": …, "tokens": {"chen": …, "tang": …},
//                            "password": …, "chromium": …, "profile": …, "card": …, "shots": …}'
// 李强 (li, officer of the unit) wears the camera C0012; 陈静 (chen) dispatches, 唐敏 (tang) supervises. The films are made
// by the browser and put on the camera's `card`; at the line `dock` whoever runs this brings them to the server, and
// answers with a line. The last line is one JSON object: what was found.
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { look as examine, open as launch, rows } from './handheld.mjs'

const job = JSON.parse(process.argv[2])
const findings = []
const said = {}
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

async function wish(line) {
  console.log(line)
  await answers.next()
}

const { context, page } = await launch(job, job.origin)
const look = async name => findings.push(...(await examine(page, job.shots, name)))
const tab = name => page.getByRole('link', { name, exact: true }).click()
const strip = text => page.getByTestId('strip').getByText(text).waitFor()

/** What somebody at the Centre does meanwhile. */
async function api(method, path, who, body) {
  const headers = { authorization: `Bearer ${job.tokens[who]}`, 'content-type': 'application/json' }
  const answer = await fetch(`${job.origin}/api/v1${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer.json()
}

/** A film of a second, by the browser's own recorder, on the camera's card. */
async function record(name) {
  const text = await page.evaluate(async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 240 } })
    const recorder = new MediaRecorder(stream, { mimeType: 'video/mp4' })
    const parts = []
    const over = new Promise(resolve => (recorder.onstop = resolve))
    recorder.ondataavailable = ({ data }) => parts.push(data)
    recorder.start()
    setTimeout(() => recorder.stop(), 1_200)
    await over
    for (const track of stream.getTracks()) track.stop()
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer())
    return btoa(bytes.reduce((all, byte) => all + String.fromCharCode(byte), ''))
  })
  writeFileSync(`${job.card}/${name}`, Buffer.from(text, 'base64'))
}

/** As a camera names its files: by the clock of the county. */
const named = at => `C0012_${new Date(at + 8 * 3_600_000).toISOString().replace(/\D/g, '').slice(0, 14)}.mp4`

/** A step with a photo for each of its places, of which it has two. */
async function step(id, words) {
  await page.getByTestId(`step-${id}`).click()
  await page.getByTestId('step-camera').click()
  for (const count of [1, 2]) {
    await page.locator('[data-testid=shoot]:not([disabled])').click()
    if (count === 1) await page.getByTestId('shots-done').getByText('已拍 1 张').waitFor()
  }
  await page.locator('[name=words]').fill(words)
  await page.getByTestId('step-submit').click()
  await page.getByTestId('stage').waitFor()
}

const plays = () =>
  page.getByTestId('player').evaluate(
    film => new Promise(resolve => {
      const tell = () => film.currentTime > 0 && resolve(film.videoWidth)
      film.addEventListener('timeupdate', tell)
      film.play().catch(() => undefined)
      tell()
    }),
  )

const states = async () => (await page.getByTestId('piece').allInnerTexts()).map(text => text.replace(/\s+/g, ' '))

try {
  const now = Date.now()
  await api('PUT', '/camera-assignments', 'chen', {
    camera: 'C0012', user_id: job.officer, from: new Date(now - 9 * 3_600_000).toISOString(), until: new Date(now + 3_600_000).toISOString(),
  })
  const report = { title: '占道经营', address: '人民路', position: { lat: 27.440112, lon: 109.945217, datum: 'wgs84' } }
  const { id } = await api('POST', '/cases', 'chen', report)
  await api('POST', `/cases/${id}/commands`, 'chen', {
    type: 'dispatch', args: { unit_id: job.unit, limit: { kind: 'natural_day', value: 3 } },
  })
  await page.goto(`${job.origin}/field/#enrol/${job.code}`)
  await page.getByRole('button', { name: '登记' }).click()
  await page.locator('[name=username]').fill('li')
  await page.locator('[name=password]').fill(job.password)
  await page.getByRole('button', { name: '登录', exact: true }).click()
  await page.locator('[name=pin]').fill('775310')
  await page.locator('[name=pin-again]').fill('775310')
  await page.getByRole('button', { name: '保存' }).click()
  await page.locator('.rows .row').first().click()
  await step('handle', '已清理完毕')
  await strip('全部已上传')

  // A dock brings two films; the name of one says that it is hours older than its file does.
  await record(named(Date.now() - 5_000))
  await record(named(Date.now() - 4 * 3_600_000))
  await wish('dock')
  await tab('今日')
  await page.getByTestId('today-clips').getByText('2', { exact: true }).waitFor()
  await look('officer-today')

  await page.getByTestId('today-clips').click()
  await page.getByTestId('clip-row').first().waitFor()
  const doubtful = page.getByTestId('clip-row').filter({ hasText: '1 处存疑' })
  await doubtful.getByRole('button').first().click()
  await page.getByTestId('clip-link').waitFor()
  await look('officer-clip')
  await page.getByTestId('play').click()
  said.seen_before_claimed = await plays()
  await page.locator('[name=dismissal]').fill('出勤途中误录')
  // A token that ran out is renewed, and the person notices nothing.
  await page.evaluate(async () => {
    const asked = request => new Promise(resolve => (request.onsuccess = () => resolve(request.result)))
    const db = await asked(indexedDB.open('chengguan-field'))
    const meta = db.transaction('meta', 'readwrite').objectStore('meta')
    const session = await asked(meta.get('session'))
    await asked(meta.put({ ...session, access_token: `${session.access_token}x` }, 'session'))
    db.close()
  })
  await page.getByTestId('clip-dismiss').click()
  await page.getByTestId('clip-done').waitFor()

  await page.goto(`${job.origin}/field/#case/${id}`)
  await page.getByTestId('evidence').click()
  await page.getByTestId('piece').first().waitFor()
  await page.getByTestId('choose-clips').click()
  await page.getByTestId('pick').filter({ hasText: '待确认' }).getByRole('checkbox').check()
  await look('officer-pick')
  await page.getByTestId('link-clips').click()
  await page.getByTestId('clips-found').getByText('1 段已关联，0 段没有关联').waitFor()
  // Again, as by somebody whose first answer got lost: the server changes nothing.
  await page.reload()
  await page.getByTestId('pick').getByText('已关联本案').waitFor()
  await page.getByRole('button', { name: '返回证据清单' }).click()
  await page.getByTestId('piece').nth(2).waitFor()
  await page.getByTestId('piece').filter({ hasText: '执法录像' }).locator('canvas, .piece-thumb').first().waitFor()
  said.listed = await states()
  await look('officer-evidence')
  await page.getByTestId('piece').filter({ hasText: '执法录像' }).click()
  await page.getByTestId('play').click()
  said.played = await plays()
  await page.getByText('C0012 · 本人佩戴').waitFor()
  await look('officer-film')

  // Without a network: what was read is there, what waits is among it, and linking says that it waits for a network.
  await context.setOffline(true)
  await strip('离线')
  await page.goto(`${job.origin}/field/#case/${id}`)
  await step('note', '已联系责任单位')
  await page.getByTestId('evidence').click()
  await page.getByTestId('piece').nth(4).waitFor()
  said.offline = await states()
  await look('officer-offline')
  await page.getByTestId('choose-clips').click()
  await page.getByTestId('link-clips').getByText('联网后关联').waitFor()
  await page.getByRole('button', { name: '返回证据清单' }).click()
  await context.setOffline(false)
  await strip('全部已上传')

  // The supervisor makes the film restricted: from then on a look takes a reason.
  const film = (await api('GET', `/evidence?case_id=${id}`, 'tang')).items.find(({ role, links }) => role === 'recording' || links.some(link => link.role === 'recording'))
  await api('PUT', `/evidence/${film.id}/access-class`, 'tang', { class: 'restricted', reason: '涉及未成年人' })
  await page.getByTestId('piece').filter({ hasText: '受限' }).click()
  await look('officer-restricted')
  await page.locator('[name=why]').fill('核对处置过程')
  await page.getByTestId('open-restricted').click()
  await page.getByTestId('play').click()
  said.restricted = await plays()
  said.custody = (await api('GET', `/evidence/${film.id}/custody`, 'tang')).items.map(({ action, reason }) => [action, reason])
  said.clips = (await api('GET', '/clips?limit=10', 'chen')).items.map(({ state, reason }) => [state, reason])
  said.media = (await rows(page, 'media')).media.map(({ state }) => state)
  said.links = film.links.map(({ target_id, role }) => [target_id === id, role])
} catch (error) {
  if (job.shots != null) await page.screenshot({ path: `${job.shots}/officer-failed.png` })
  throw error
} finally {
  await context.close()
}
console.log(JSON.stringify({ findings, said }))
process.exit(0)
