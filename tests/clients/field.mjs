// A day of a handheld in a real Chromium, against the real server:
//   node field.mjs '{"origin": …, "code": …, "username": …, "password": …, "chromium": …, "profile": …, "shots": …}'
// It enrols and signs in; then there is no network, and in the night no server. Ten cases are reported with photos of a
// fake camera, the browser is ended twice, and the server dies while the photos go up. Whoever started this does what
// it asks for on a line of its own ("stop", "start") and answers with a line. The last line is one JSON object: what
// was reported, by the page's own store.
import { createInterface } from 'node:readline'
import { kept as stored, look as examine, open as launch, shoot as take } from './handheld.mjs'

const job = JSON.parse(process.argv[2])
const REPORTS = 10
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

async function ask(what) {
  process.stdout.write(`${what}\n`)
  const { done } = await answers.next()
  if (done) throw new Error(`nobody did what was asked: ${what}`)
}

let context
let page

/** A browser on the same profile, as after a restart of the device. */
async function open() {
  ;({ context, page } = await launch(job, job.origin))
}

const text = id => page.getByTestId(id).innerText()

async function look(name) {
  findings.push(...(await examine(page, job.shots, name)))
}

const shoot = (count, before = 0) => take(page, count, before)
const kept = () => stored(page)

async function fill(number) {
  const search = page.getByTestId('class-search')
  await search.waitFor()
  if (number === 1) {
    await search.fill('dlps')
    await look('report-class')
  }
  await page.getByTestId('classes').getByRole('button').first().click()
  await page.getByRole('radio').first().check()
  await page.locator('[name=description]').fill(`第 ${number} 件`)
  if (number === 1) await look('report-form')
  await page.getByTestId('submit').click()
  await page.getByTestId('saved').waitFor()
  if (number === 1) await look('report-saved')
}

/** How long the page takes to show the first case, without a network, milliseconds. */
async function opened() {
  const began = performance.now()
  await page.reload()
  await page.locator('.rows .row').first().waitFor()
  return Math.round(performance.now() - began)
}

const figures = {}
const findings = []
try {
  await open()
  await page.evaluate(() => navigator.serviceWorker.ready)
  await look('enrol')
  await page.locator('[name=code]').fill(job.code)
  await page.getByRole('button', { name: '登记' }).click()
  await page.locator('[name=username]').fill(job.username)
  await look('login')
  await page.locator('[name=password]').fill(job.password)
  await page.getByRole('button', { name: '登录' }).click()
  await page.getByTestId('pin-later').waitFor()
  await look('pin')
  await page.getByTestId('pin-later').click()
  await page.getByRole('heading', { name: '任务' }).waitFor()
  // The catalogue has come when the class is found.
  await page.getByTestId('report').click()
  await look('camera')
  await shoot(1)
  await page.getByTestId('fill').click()
  await page.getByTestId('class-search').fill('dlps')
  await page.getByTestId('classes').getByRole('button').first().waitFor()
  await page.getByRole('button', { name: '重新开始' }).or(page.getByRole('button', { name: '补拍' })).first().click()

  await ask('stop')
  await context.setOffline(true)
  let began = performance.now()
  await page.reload()
  await page.getByTestId('strip').getByText('离线').waitFor()
  figures.open_offline_ms = Math.round(performance.now() - began)
  // The photo that was taken before is still there.
  await page.getByRole('button', { name: '重新开始' }).click()
  for (let number = 1; number <= REPORTS; number += 1) {
    began = performance.now()
    if (number === 6) {
      // The battery falls out after the second photo.
      await shoot(2)
      await context.close()
      await open()
      await page.getByTestId('report').click()
      await page.getByText('已恢复未完成的上报').waitFor()
      await shoot(3, 2)
    } else {
      await shoot(3)
    }
    await fill(number)
    if (number === 1) figures.report_ms = Math.round(performance.now() - began)
    if (number < REPORTS) await page.getByTestId('again').click()
  }
  await page.getByTestId('mine').click()
  await page.getByTestId('count-records').waitFor()
  await look('sync-offline')
  figures.waiting = await text('waiting')
  await page.getByRole('link', { name: '任务' }).click()
  await look('tasks-offline')
  const before = await kept()

  await context.close()
  await open()
  figures.after_restart = await text('waiting')
  await page.getByTestId('mine').click()
  // A second tab: one of the two works, both know how it stands.
  const second = await context.newPage()
  await second.goto(`${job.origin}/field/#mine`)
  await second.getByTestId('count-records').getByText(String(REPORTS)).waitFor()
  await page.bringToFront()
  await ask('start')
  await page.getByRole('button', { name: '立即同步' }).click()
  // In the middle of the photos the server dies.
  await page.waitForFunction(() => {
    const [records, photos] = ['count-records', 'count-photos'].map(id => Number(document.querySelector(`[data-testid=${id}]`)?.textContent))
    return records === 0 && photos > 0 && photos < 28
  })
  await ask('stop')
  await page.waitForTimeout(500)
  await ask('start')
  await page.getByRole('button', { name: '立即同步' }).click()
  await page.getByTestId('strip').getByText('全部已上传').waitFor({ timeout: 120_000 })
  await second.getByTestId('strip').getByText('全部已上传').waitFor()
  await second.close()
  await look('sync-done')
  await page.getByRole('link', { name: '任务' }).click()
  await page.waitForFunction(count => document.querySelectorAll('.rows .row').length === count, REPORTS)
  await look('tasks')
  let after = await kept()
  while (after.captures_waiting > 0) {
    await page.waitForTimeout(500)
    after = await kept()
  }
  // With 2,000 cases on the device it opens as it did with ten.
  await context.setOffline(true)
  figures.open_with_10_ms = await opened()
  await page.evaluate(async () => {
    const asked = request => new Promise(resolve => (request.onsuccess = () => resolve(request.result)))
    const db = await asked(indexedDB.open('chengguan-field'))
    const base = db.transaction('base', 'readwrite').objectStore('base')
    const one = (await asked(base.getAll())).find(({ kind }) => kind === 'case')
    for (let n = 0; n < 2000; n += 1) base.put({ ...one, id: crypto.randomUUID(), data: { ...one.data, number: String(n) } })
    await new Promise(resolve => (base.transaction.oncomplete = resolve))
    db.close()
  })
  figures.open_with_2000_ms = await opened()
  process.stdout.write(`${JSON.stringify({ before, after, figures, findings })}\n`)
} finally {
  await context?.close()
}
process.exit(0)
