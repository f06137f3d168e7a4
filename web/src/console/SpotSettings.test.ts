import { expect, it, vi } from 'vitest'
import { SITE_KINDS } from '../lib/spotchecks'
import { go, onPage } from './route'
import { all, choose, fakeServer, one, openAs, text, write } from './testPage'

const item = (code: string) => ({ code, name: '路面整洁', rule: '每处垃圾扣 2 分', points: 20_000, step: 2_000 })
const KINDS = SITE_KINDS.map((kind, at) => ({ kind, items: [item(`K${at}`)] }))

const sent: unknown[] = []

fakeServer(() => {
  sent.length = 0
  return {
    '/names': () => Response.json({ users: [{ id: 'u5', name: '王芳' }, { id: 'u6', name: '胡波' }], devices: [] }),
    '/cases': () => Response.json({ items: [], next: null }),
    '/spot-checklists': ({ method, body, query }) => {
      if (method === 'PUT') sent.push(body)
      const version = Number(query.get('version') ?? 2)
      return Response.json({ checklist: { version, kinds: KINDS }, source: version === 1 ? '随程序提供' : '城管委〔2026〕2号' })
    },
    '/spot-teams': ({ method, body }) => {
      if (method === 'PUT') sent.push(body)
      return Response.json({ members: [{ user_id: 'u5', team: '1' }] })
    },
    '/site-substitutions': ({ method, body }) => {
      if (method === 'PUT') sent.push(body)
      return Response.json({ substitution: { version: 0, stand_ins: { market: ['other', 'residential'] } }, source: '随程序提供' })
    },
  }
})

const click = (name: string) => one(name)?.click()
const submit = (name: string) => one(name)?.dispatchEvent(new Event('submit'))

it('who only watches sees the teams, the order of substitution and every version of the checklist', async () => {
  go(onPage('draws', { filter: 'settings' }))
  openAs('supervisor')
  await vi.waitFor(() => expect(text('teams')).toContain('1 组王芳'))
  expect(all('stand-in').map((row) => row.textContent).join()).toContain('市场其他区域 → 居民区')
  expect(text('checklist')).toContain('第 2 版，城管委〔2026〕2号')
  expect(all('check-item')).toHaveLength(7)
  expect([one('edit-teams'), one('edit-stand-ins'), one('edit-checklist')]).toEqual([null, null, null])
  choose('checklist-version', '1')
  await vi.waitFor(() => expect(text('checklist')).toContain('第 1 版，随程序提供'))
})

it('the office says who is in which team, and what stands in for what', async () => {
  go(onPage('draws', { filter: 'settings' }))
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('edit-teams')).not.toBeNull())
  expect(one('edit-checklist')).toBeNull()
  click('edit-teams')
  await vi.waitFor(() => expect(all('member')).toHaveLength(1))
  click('add-member')
  await vi.waitFor(() => expect(all('member')).toHaveLength(2))
  submit('teams-form')
  await vi.waitFor(() => expect(text('teams-form')).toContain('请选择人员'))
  await vi.waitFor(() => expect(all('member')[1]?.textContent).toContain('胡波'))
  const [, second] = all('member-user') as HTMLSelectElement[]
  if (second === undefined) throw new Error('no second member')
  second.value = 'u5'
  second.dispatchEvent(new Event('change'))
  submit('teams-form')
  await vi.waitFor(() => expect(text('teams-form')).toContain('一个人只能在一个组'))
  second.value = 'u6'
  second.dispatchEvent(new Event('change'))
  const team = all('member-team')[1] as HTMLInputElement
  team.value = '二组'
  team.dispatchEvent(new Event('input'))
  submit('teams-form')
  await vi.waitFor(() => expect(text('teams-form')).toContain('组号为 1–16 位'))
  team.value = '2'
  team.dispatchEvent(new Event('input'))
  submit('teams-form')
  await vi.waitFor(() => expect(sent).toEqual([{ members: [{ user_id: 'u5', team: '1' }, { user_id: 'u6', team: '2' }] }]))
  await vi.waitFor(() => expect(one('teams-form')).toBeNull())
  click('edit-stand-ins')
  await vi.waitFor(() => expect(all('add-stand-in')).toHaveLength(7))
  choose('add-stand-in', 'toilet')
  all('remove-stand-in').at(-1)?.click()
  submit('stand-ins')
  await vi.waitFor(() => expect(text('stand-ins')).toContain('请写明依据'))
  write('stand-source', '城管委会议')
  submit('stand-ins')
  await vi.waitFor(() => expect(sent).toHaveLength(2))
  expect(sent[1]).toMatchObject({ source: '城管委会议', stand_ins: { main_road: ['toilet'], market: ['other'] } })
})

it('the administrator writes a new version of the checklist, and is told what an item lacks', async () => {
  go(onPage('draws', { filter: 'settings' }))
  openAs('admin')
  await vi.waitFor(() => expect(one('edit-checklist')).not.toBeNull())
  click('edit-checklist')
  await vi.waitFor(() => expect(all('item-row')).toHaveLength(7))
  click('add-item')
  await vi.waitFor(() => expect(all('item-row')).toHaveLength(8))
  submit('checklist')
  await vi.waitFor(() => expect(text('checklist')).toContain('编号、名称和扣分规则都要填'))
  const fill = (name: string, words: string) => {
    const field = all(name)[1] as HTMLInputElement
    field.value = words
    field.dispatchEvent(new Event('input'))
  }
  fill('item-code', 'K3')
  fill('item-name', '车辆停放')
  fill('item-rule', '每辆乱停扣 5 分')
  fill('item-points', '10')
  fill('item-step', '20')
  submit('checklist')
  await vi.waitFor(() => expect(text('checklist')).toContain('每处扣分不超过分值'))
  fill('item-step', '5')
  submit('checklist')
  await vi.waitFor(() => expect(text('checklist')).toContain('编号 K3 重复'))
  fill('item-code', 'K9')
  submit('checklist')
  await vi.waitFor(() => expect(text('checklist')).toContain('请写明依据'))
  write('checklist-source', '城管委〔2026〕5号')
  submit('checklist')
  await vi.waitFor(() => expect(sent).toHaveLength(1))
  expect(sent).toMatchObject([{ source: '城管委〔2026〕5号', kinds: [{ items: [{ code: 'K0' }, { code: 'K9', points: 10_000, step: 5_000 }] }, {}, {}, {}, {}, {}, {}] }])
})
