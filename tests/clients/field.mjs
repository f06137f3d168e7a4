// A day of a handheld in a real Chromium, against the real server:
//   node field.mjs '{"origin": …, "code": …, "checker": …, "officer": …, "password": …, "chromium": …, "profile": …,
//                    "shots": …}'
// Two people share it: 张伟 (checker), whose team has nine sites to check today, and 李强 (officer), whose unit has five
// cases to handle. Both sign in; then there is no network, and in the night no server. Five cases are handled, the shift
// changes, ten cases are reported with photos of a fake camera and nine sites are checked: one costs points, one can't
// be reached and another takes its place. The browser is ended twice, and the server dies while the photos go up.
// Whoever started this does what it asks for on a line of its own ("stop", "start") and answers with a line. The last
// line is one JSON object: what was done, by the page's own store.
import { createInterface } from 'node:readline'
import { cannot, deduct, goThere, moveTo, pass, seal, sitesOf } from './field_checks.mjs'
import { kept as stored, look as examine, open as launch, shoot as take } from './handheld.mjs'

const job = JSON.parse(process.argv[2])
const REPORTS = 10
const HANDLED = 5
const SITES = 9
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

/** A screen that differs from one looked at by its words only: a picture is all it is good for. */
const glance = name => (job.shots == null ? undefined : look(name))

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

/** How long the page takes to show the first case, without a network, milliseconds: the middle of three. */
async function opened() {
  const took = []
  for (let n = 0; n < 3; n += 1) {
    const began = performance.now()
    await page.reload()
    await page.locator('.rows .row').first().waitFor()
    took.push(performance.now() - began)
  }
  return Math.round(took.sort((a, b) => a - b)[1])
}

/** The same of a page that holds one word. */
async function emptyOpened() {
  const blank = await context.newPage()
  const took = []
  for (let n = 0; n < 3; n += 1) {
    const began = performance.now()
    await blank.goto('data:text/html,<p>empty')
    await blank.locator('p').waitFor()
    took.push(performance.now() - began)
  }
  await blank.close()
  return Math.round(took.sort((a, b) => a - b)[1])
}

async function login(username, pin, first = async () => undefined) {
  await page.locator('[name=username]').fill(username)
  await first()
  await page.locator('[name=password]').fill(job.password)
  await page.getByRole('button', { name: '登录', exact: true }).click()
  await page.locator('[name=pin]').fill(pin)
  await page.locator('[name=pin-again]').fill(pin)
  if (username === job.checker) await look('pin')
  await page.getByRole('button', { name: '保存' }).click()
  await page.getByRole('heading', { name: '任务' }).waitFor()
}

async function handOver() {
  await page.getByTestId('mine').click()
  await page.getByTestId('hand-over').click()
}

/** The first task, handled, with photos of before and after. */
async function handle() {
  await page.getByRole('link', { name: '任务', exact: true }).click()
  await page.locator('.rows .row').filter({ hasText: '待处置' }).first().click()
  await page.getByTestId('step-handle').click()
  await page.getByTestId('step-camera').click()
  for (const count of [1, 2]) {
    await page.locator('[data-testid=shoot]:not([disabled])').click()
    if (count === 1) await page.getByTestId('shots-done').getByText('已拍 1 张').waitFor()
  }
  await page.getByRole('button', { name: '已清理完毕' }).click()
  await page.getByTestId('step-submit').click()
  await page.getByTestId('stage').getByText('已处置待申请').waitFor()
}

const openVisit = async () => {
  await page.getByTestId('spots').click()
  await page.getByTestId('visit').filter({ hasText: '待检查' }).first().click()
}

/** What the handheld showed of the records. */
const said = { seals: [], scores: [], replaced_by: null }

/** The day's sites one after the other. */
async function checkSites() {
  const sites = await sitesOf(page)
  await openVisit()
  for (let number = 1; number <= SITES; number += 1) {
    if (number === 1) {
      await page.getByTestId('outside').waitFor()
      await look('spot-outside')
    }
    let began = performance.now()
    await goThere({ context, page }, sites)
    if (number === 2) {
      said.seals.push(await cannot(page, () => look('spot-gone')))
      await glance('spot-replaced')
      await page.getByTestId('go-there').click()
      said.replaced_by = await goThere({ context, page }, sites)
    }
    if (number === 1) await glance('spot-inside')
    await page.getByTestId('begin').click()
    if (number === 3) {
      await deduct(page)
      await look('spot-deduct')
      await pass(page, 1)
    } else if (number === 4) {
      // The battery falls out after two answers.
      await page.getByTestId('pass').nth(0).click()
      await page.getByTestId('pass').nth(1).click()
      await page.getByText(/还有 \d 项/).waitFor()
      figures.waiting = await text('waiting')
      await context.close()
      await open()
      figures.after_restart = await text('waiting')
      await openVisit()
      await page.getByText('已恢复未完成的检查').waitFor()
      await moveTo({ context, page }, sites)
      await pass(page, 2)
    } else {
      await pass(page)
    }
    const shown = await seal(page, () => (number === 1 ? look('spot-sum') : undefined))
    said.seals.push(shown.seal)
    if (shown.score < 100) said.scores.push(Math.round(shown.score * 1000))
    if (number === 1) figures.check_ms = Math.round(performance.now() - began)
    if (number === 1) await look('spot-sealed')
    if (number < SITES) await page.getByTestId('next-visit').click()
  }
  await page.getByTestId('spots').click()
  await page.getByTestId('spots-done').getByText(`已查 ${SITES} / ${SITES}`).waitFor()
  await glance('spots-done')
}

const figures = {}
const findings = []
try {
  await open()
  await page.evaluate(() => navigator.serviceWorker.ready)
  await look('enrol')
  await page.locator('[name=code]').fill(job.code)
  await page.getByRole('button', { name: '登记' }).click()
  await login(job.checker, '402816', () => look('login'))
  // The catalogue has come when the class is found.
  await page.getByTestId('report').click()
  await look('camera')
  await shoot(1)
  await page.getByTestId('fill').click()
  await page.getByTestId('class-search').fill('dlps')
  await page.getByTestId('classes').getByRole('button').first().waitFor()
  await page.getByRole('button', { name: '重新开始' }).or(page.getByRole('button', { name: '补拍' })).first().click()

  await page.getByTestId('spots').click()
  await page.getByTestId('visit').nth(SITES - 1).waitFor()
  await look('spots')
  await page.getByTestId('ticket').click()
  await page.getByTestId('frame-agrees').getByText('与公布的摘要相同').waitFor()
  await look('spot-ticket')
  await page.getByRole('link', { name: '今日' }).click()
  await page.getByTestId('today-spots').getByText(String(SITES)).waitFor()
  await look('today-checker')
  await handOver()
  await page.getByTestId('other-person').click()
  await login(job.officer, '775310')
  await page.waitForFunction(count => document.querySelectorAll('.rows .row').length === count, HANDLED)

  await ask('stop')
  await context.setOffline(true)
  let began = performance.now()
  await page.reload()
  await page.getByTestId('strip').getByText('离线').waitFor()
  figures.open_offline_ms = Math.round(performance.now() - began)
  for (let number = 1; number <= HANDLED; number += 1) await handle()
  // The shift changes without a network.
  await handOver()
  await page.getByTestId('person').getByText('张伟').click()
  await page.locator('[name=pin]').fill('402816')
  await page.getByRole('button', { name: '解锁' }).click()
  await page.getByRole('heading', { name: '任务' }).waitFor()
  await page.getByTestId('report').click()
  // The photo that was taken before is still there.
  await page.getByTestId('afresh').click()
  // A second tap that follows at once is the same finger's.
  await page.waitForTimeout(500)
  await page.getByTestId('afresh').click()
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
  await page.getByRole('link', { name: '任务' }).click()
  await look('tasks-offline')
  began = performance.now()
  await checkSites()
  figures.checks_ms = Math.round(performance.now() - began)
  const before = await kept()
  await page.getByTestId('mine').click()
  // A second tab: one of the two works, both know how it stands.
  const second = await context.newPage()
  await second.goto(`${job.origin}/field/#mine`)
  await second.getByTestId('count-records').getByText(String(HANDLED + REPORTS + SITES + 1)).waitFor()
  await page.bringToFront()
  await ask('start')
  await page.getByRole('button', { name: '立即同步' }).click()
  // In the middle of the photos the server dies.
  await page.waitForFunction(
    () => {
      const [records, photos] = ['count-records', 'count-photos'].map(id => Number(document.querySelector(`[data-testid=${id}]`)?.textContent))
      return records === 0 && photos > 0 && photos < 50
    },
    null,
    { timeout: 300_000 },
  )
  await ask('stop')
  await page.waitForTimeout(500)
  await ask('start')
  await page.getByRole('button', { name: '立即同步' }).click()
  await page.getByTestId('strip').getByText('全部已上传').waitFor({ timeout: 300_000 })
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
  figures.open_empty_ms = await emptyOpened()
  const check_photos = after.checks.flatMap(({ photos }) => photos)
  process.stdout.write(`${JSON.stringify({ ...said, check_photos, before, after, figures, findings })}\n`)
} finally {
  await context?.close()
}
process.exit(0)
