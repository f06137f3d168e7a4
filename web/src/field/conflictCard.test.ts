import { expect, it, vi } from 'vitest'
import { createApp, nextTick } from 'vue'
import ConflictCard from './ConflictCard.vue'
import { cases, session } from './field'
import { NotSignedIn } from './sync/client'
import type { SentRow } from './sync/store'
import type { CaseView } from './sync/view'

const save = vi.fn()
let draft: string | null = null
const store = { draft: async () => draft, setDraft: async (_: string, words: string) => (draft = words) }
vi.mock('./field', async (whole) => ({
  ...(await whole<typeof import('./field')>()),
  client: () => ({ save, store }),
  signal: () => undefined,
}))

const row = {
  op_id: 'o', target_kind: 'case', target_id: 'c', status: 'conflict', result: { op_id: 'o', status: 'conflict', code: 'stage_moved' },
  raw: JSON.stringify({ op_id: 'o', type: 'case.handle', actor: 'A', args: { note: 'done' } }),
} as unknown as SentRow
const who = (id: string) => ({ session_id: `s${id}`, user: { id, name: id, role: 'officer', unit_id: 'u' } }) as unknown as typeof session.value

it('explains a conflict as the person before whom it was opened, and keeps the words when that failed', async () => {
  session.value = who('A')
  cases.value = [{ id: 'c', title: '占道', state: 'dispatched' } as CaseView]
  document.body.innerHTML = '<div id="app"></div>'
  const app = createApp(ConflictCard, { row })
  app.mount('#app')
  const words = document.querySelector('textarea') as HTMLTextAreaElement
  words.value = '当时已清走'
  words.dispatchEvent(new Event('input'))
  session.value = who('B')
  await nextTick()
  const explain = document.querySelector<HTMLButtonElement>('[data-testid=explain]')
  vi.spyOn(console, 'error').mockReturnValue()
  save.mockRejectedValueOnce(new NotSignedIn())
  explain?.click()
  await vi.waitFor(() => expect(document.querySelector('[role=alert]')?.textContent).toContain('现在登录本机的不是您'))
  expect(words.value).toBe('当时已清走')
  save.mockResolvedValue({})
  explain?.click()
  await vi.waitFor(() => expect(document.querySelector('[role=status]')).not.toBeNull())
  expect(save.mock.calls.map(([id, { type }]) => [id, type])).toEqual([['A', 'case.note'], ['A', 'case.note']])
  app.unmount()
})

it('keeps the words of an explanation that was begun', async () => {
  session.value = who('A')
  draft = '门牌在'
  document.body.innerHTML = '<div id="app"></div>'
  const app = createApp(ConflictCard, { row })
  app.mount('#app')
  const words = document.querySelector('textarea') as HTMLTextAreaElement
  await vi.waitFor(() => expect(words.value).toBe('门牌在'))
  words.value = '门牌在人民路'
  words.dispatchEvent(new Event('input'))
  expect(draft).toBe('门牌在人民路')
  app.unmount()
})
