// What the scripts that drive the handheld's page have in common: a Chromium with a fake camera on a profile of its own,
// a look at a screen for what hinders somebody, and what the page's own store holds.
import axe from 'axe-core'
import { chromium } from 'playwright-core'

/**
 * A browser on this profile, as after a restart of the device. `begin` is run in each page before its own scripts. Without
 * `camera` the page gets none, as on a device that has none or whose person refuses.
 */
export async function open(job, origin, begin = null, camera = true) {
  const context = await chromium.launchPersistentContext(job.profile, {
    executablePath: job.chromium,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      ...(camera ? ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'] : []),
      // As browsers did until lately: they tell how much storage there really is.
      '--disable-features=StaticStorageQuota',
    ],
    viewport: { width: 360, height: 640 },
    locale: 'zh-CN',
    acceptDownloads: true,
    permissions: ['geolocation', ...(camera ? ['camera'] : [])],
    geolocation: { latitude: 27.440112, longitude: 109.945217, accuracy: 6 },
  })
  context.setDefaultTimeout(60_000)
  if (begin !== null) await context.addInitScript(begin)
  const page = context.pages()[0] ?? (await context.newPage())
  page.on('pageerror', error => console.error(String(error)))
  page.on('console', message => {
    if (message.type() === 'error' && !message.text().includes('ERR_')) console.error(message.text(), message.location().url)
  })
  await page.goto(`${origin}/field/`)
  await page.getByTestId('strip').waitFor()
  return { context, page }
}

/**
 * Looks at a screen by light and by dark: what hinders somebody is a finding, what is asked for is pictured in the folder
 * `shots`, in large text too.
 */
export async function look(page, shots, name) {
  const findings = []
  // What has scrolled under the strip, or lies under the bar at the foot until one scrolls, is not in anybody's way.
  await page.evaluate(() => scrollTo(0, 0))
  const foot = position =>
    page.evaluate(position => document.querySelectorAll('.bottom').forEach(bar => (bar.style.position = position)), position)
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    await page.evaluate(axe.source)
    await foot('static')
    const { violations } = await page.evaluate(() =>
      window.axe.run(document, { rules: { 'color-contrast-enhanced': { enabled: true }, 'target-size': { enabled: true } } }),
    )
    await foot('')
    for (const { id, impact, nodes } of violations) {
      if (impact === 'minor') continue
      findings.push(`${name}, ${colorScheme}: ${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`)
    }
    if (shots != null) await picture(page, `${shots}/${name}`, colorScheme)
  }
  await page.emulateMedia({ colorScheme: 'light' })
  if (shots != null) {
    const before = await page.evaluate(() => document.documentElement.dataset.text)
    await page.evaluate(() => (document.documentElement.dataset.text = 'large'))
    await picture(page, `${shots}/${name}`, 'large')
    await page.evaluate(size => (document.documentElement.dataset.text = size), before)
  }
  return findings
}

async function picture(page, path, how) {
  for (const [width, height] of [[360, 640], [412, 915]]) {
    await page.setViewportSize({ width, height })
    await page.screenshot({ path: `${path}-${width}-${how}.png` })
  }
  await page.setViewportSize({ width: 360, height: 640 })
}

/** Takes photos until there are so many, of 3. */
export async function shoot(page, count, before = 0) {
  for (let taken = before + 1; taken <= count; taken += 1) {
    await page.locator('[data-testid=shoot]:not([disabled])').click()
    // The photo is kept before it is shown.
    if (taken < 3) await page.getByTestId('fill').getByText(`已拍 ${taken} 张`).waitFor()
  }
}

/**
 * Counts from now on what a finger does on this page: taps, without those that release the shutter, which are photos, and
 * what is typed. The answer, asked for when the work is done, stops the counting.
 */
export async function countTaps(page) {
  await page.evaluate(() => {
    const counted = { taps: 0, photos: 0, keys: 0, began: performance.now() }
    const tapped = ({ isTrusted, target }) => {
      // The click that the browser makes for a label's field is the same tap.
      if (!isTrusted || (target instanceof HTMLInputElement && target.closest('label') !== null)) return
      counted[target.closest?.('[data-testid=shoot]') ? 'photos' : 'taps'] += 1
    }
    const typed = ({ isTrusted }) => (counted.keys += isTrusted ? 1 : 0)
    addEventListener('click', tapped, true)
    addEventListener('keydown', typed, true)
    globalThis.countedTaps = () => {
      removeEventListener('click', tapped, true)
      removeEventListener('keydown', typed, true)
      const { began, ...counts } = counted
      return { ...counts, ms: Math.round(performance.now() - began) }
    }
  })
  return () => page.evaluate(() => globalThis.countedTaps())
}

/** What the page's own store holds: the rows of these stores, by their names. */
export const rows = (page, ...stores) =>
  page.evaluate(async names => {
    const asked = request =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
      })
    const db = await asked(indexedDB.open('chengguan-field'))
    const found = await Promise.all(names.map(name => asked(db.transaction(name).objectStore(name).getAll())))
    db.close()
    return Object.fromEntries(names.map((name, index) => [name, found[index]]))
  }, stores)

/** What the person saved on the device, answered or not. */
export async function kept(page) {
  const { outbox, sent, media, captures } = await rows(page, 'outbox', 'sent', 'media', 'captures')
  const ops = [...outbox, ...sent].map(({ target_id, raw }) => {
    const { type, args, evidence = [] } = JSON.parse(raw)
    return { type, id: target_id, args, photos: evidence.map(({ sha256 }) => sha256) }
  })
  return {
    reports: ops.filter(({ type }) => type === 'case.report').map(({ id, args, photos }) => ({ id, description: args.description, photos })),
    checks: ops.filter(({ type }) => type === 'spot_check.record'),
    statuses: sent.map(({ status }) => status),
    photos: media.map(({ sha256, state, size }) => ({ sha256, state, size })),
    captures_waiting: captures.filter(({ answered_at }) => answered_at === '').length,
  }
}
