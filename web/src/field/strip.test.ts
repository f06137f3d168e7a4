import { afterEach, beforeEach, expect, it } from 'vitest'
import { createSSRApp } from 'vue'
import { renderToString } from 'vue/server-renderer'
import { language } from '../lib/language'
import StatusStrip from './StatusStrip.vue'
import { battery } from './battery'
import { fix, media, now, online, outbox } from './field'
import type { MediaRow, OutboxRow } from './sync/store'

const file = (mime: string): MediaRow => ({ mime, state: 'waiting', size: 1_000_000 }) as MediaRow

async function strip(): Promise<{ seen: string; heard: string }> {
  const html = await renderToString(createSSRApp(StatusStrip))
  const text = html.replace(/<!--.*?-->/g, '')
  return { seen: text.replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ').trim(), heard: /aria-label="([^"]*)"/.exec(text)?.[1] ?? '' }
}

beforeEach(() => {
  online.value = false
  fix.value = { lat: 27, lon: 109, datum: 'wgs84', accuracy_m: 6.4, source: 'gps', at: now.value }
  battery.value = { percent: 9, low: true }
  outbox.value = Array.from({ length: 99 }, () => ({}) as OutboxRow)
  media.value = [...Array.from({ length: 999 }, () => file('image/jpeg')), ...Array.from({ length: 9 }, () => file('video/mp4'))]
})

afterEach(() => {
  language.value = 'zh'
})

it('says in a few characters for the eye what it says in whole words for the ear', async () => {
  const { seen, heard } = await strip()
  expect(seen).toMatch(/^◌ 离线 ±6 米 电低 9% 待传 99条 999张 9段 \S+ ?\S+$/)
  expect(heard).toMatch(/^离线，可继续工作 · 定位精度 ±6 米 · 电量低，9% · 待传 99 条记录、999 张照片、9 段录像 · 共 .+ · 打开同步$/)
  language.value = 'en'
  expect((await strip()).seen).toMatch(/^◌ Offline ±6m Low 9% 99rec 999ph 9vid /)
})

it('leaves out what is no news', async () => {
  online.value = true
  battery.value = { percent: 80, low: false }
  outbox.value = []
  media.value = []
  fix.value = { ...fix.value!, at: now.value - 600_000 }
  const { seen, heard } = await strip()
  expect(seen).toBe('● 在线 无定位 全部已上传')
  expect(heard).toBe('在线 · 无定位 · 电量 80% · 全部已上传 · 打开同步')
})

it('does not say that all was uploaded while a photo that the server refused is on this device only', async () => {
  outbox.value = []
  media.value = [{ ...file('image/jpeg'), state: 'refused' }]
  const { seen, heard } = await strip()
  expect(seen + heard).not.toContain('全部已上传')
  expect(seen).toContain('1张')
})
