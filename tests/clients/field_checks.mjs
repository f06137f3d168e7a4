// The spot checks of a day without a network, on the page of a handheld: where one goes the position goes along.

/** The sites that were taken along, by their names. */
export const sitesOf = page =>
  page.evaluate(async () => {
    const asked = request => new Promise(resolve => (request.onsuccess = () => resolve(request.result)))
    const db = await asked(indexedDB.open('chengguan-field'))
    const all = await asked(db.transaction('meta').objectStore('meta').get('visits'))
    db.close()
    return Object.fromEntries(Object.values(all).flatMap(({ sites }) => sites.map(site => [site.name, site])))
  })

/** Goes to the site whose page is open; its code. */
export async function moveTo({ context, page }, sites) {
  const { code, lat, lon } = sites[await page.getByRole('heading', { level: 1 }).innerText()]
  await context.setGeolocation({ latitude: lat + 0.0001, longitude: lon, accuracy: 6 })
  return code
}

/** The same, where the check has not begun: the page says that one is there. */
export async function goThere(device, sites) {
  const code = await moveTo(device, sites)
  await device.page.getByTestId('inside').waitFor()
  return code
}

/** Answers the items from the `from`th on: all pass. */
export async function pass(page, from = 0) {
  const items = page.getByTestId('pass')
  await items.first().waitFor()
  for (let at = from; at < (await items.count()); at += 1) await items.nth(at).click()
}

/** Takes points off the first item, which a photo must show. */
export async function deduct(page) {
  const item = page.locator('.item').first()
  await item.getByTestId('deduct').click()
  await item.getByTestId('more').click()
  await item.locator('.chips button').first().click()
  await item.getByTestId('item-camera').click()
  await page.locator('[data-testid=shoot]:not([disabled])').click()
  await page.getByTestId('shots-done').click()
  await page.locator('.item').first().waitFor()
}

/** Signs and seals; what the page shows of it. */
export async function seal(page, look = async () => undefined) {
  await page.getByTestId('to-sum').click()
  const score = Number(await page.getByTestId('score').innerText())
  await page.getByText('范围内', { exact: false }).first().waitFor()
  const board = page.getByTestId('sign')
  // Not only within the window: nothing may lie over the glass either.
  await board.evaluate(glass => glass.scrollIntoView({ block: 'center' }))
  const { x, y, width, height } = await board.boundingBox()
  await page.mouse.move(x + width * 0.2, y + height * 0.6)
  await page.mouse.down()
  for (let step = 1; step <= 12; step += 1) {
    await page.mouse.move(x + width * (0.2 + step * 0.05), y + height * (0.5 + 0.3 * Math.sin(step)))
  }
  await page.mouse.up()
  await look()
  await page.getByTestId('seal').click()
  return { score, seal: await page.getByTestId('seal-hash').filter({ hasText: /^[0-9a-f]{64}$/ }).innerText() }
}

/** Records that the site can't be reached; the name of the one that takes its place. */
export async function cannot(page, look) {
  await page.getByTestId('cannot').click()
  await page.getByRole('button', { name: '大门上锁' }).click()
  await page.getByTestId('gone-camera').click()
  await page.locator('[data-testid=shoot]:not([disabled])').click()
  await page.getByTestId('shots-done').click()
  await look()
  await page.getByTestId('gone').click()
  await page.getByTestId('replaced').waitFor()
  return page.getByTestId('seal-hash').filter({ hasText: /^[0-9a-f]{64}$/ }).innerText()
}
