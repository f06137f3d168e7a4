import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createSSRApp } from 'vue'
import { renderToString } from 'vue/server-renderer'
import StatusStrip from './StatusStrip.vue'
import { look, unlooked } from './attention'
import * as field from './field'
import type { FieldSession, SentRow } from './sync/store'
import type { Status } from './sync/wire'

const row = (op_id: string, status: Status, actor = 'a') => ({ op_id, status, raw: JSON.stringify({ actor }) }) as SentRow

vi.mock('./field', async (original) => {
  const real = await original<typeof import('./field')>()
  return { ...real, client: () => ({ store: { setMeta: async (_: string, value: string[]) => (real.looked.value = value) } }) }
})

beforeEach(() => {
  field.session.value = { user: { id: 'a' } } as FieldSession
  field.looked.value = []
  field.sent.value = [row('1', 'conflict'), row('2', 'rejected'), row('3', 'applied'), row('4', 'held'), row('5', 'rejected', 'b')]
})

describe('work that did not take effect', () => {
  it('is told on every screen to whose it is, until they have seen it', async () => {
    const strip = () => renderToString(createSSRApp(StatusStrip))
    expect(unlooked.value).toBe(2)
    expect(await strip()).toContain('！2条未生效')
    await look()
    expect(unlooked.value).toBe(0)
    expect(await strip()).not.toContain('未生效')
  })

  it('is told again when it comes to another end, and to a colleague for themselves', async () => {
    await look()
    field.sent.value = [row('1', 'rejected'), ...field.sent.value.slice(1)]
    expect(unlooked.value).toBe(1)
    field.session.value = { user: { id: 'b' } } as FieldSession
    expect(unlooked.value).toBe(1)
    await look()
    expect([...field.looked.value].sort()).toEqual(['2 rejected', '5 rejected'])
  })
})
