import { expect, it, vi } from 'vitest'
import type { Case } from '../lib/types'
import { go, onPage } from './route'
import { all, answers, choose, fakeServer, one, openAs, problem, text, write } from './testPage'

const aCase = (change: Partial<Case> = {}): Case => ({
  id: 'c1',
  number: '2026-1',
  ver: 3,
  state: 'dispatched',
  title: '路面破损',
  description: '',
  class_code: '0113',
  address: '商务大道',
  position: null,
  unit_id: 'n1',
  reported_at: '2026-11-25T08:00:00Z',
  reported_by: 'u9',
  due_at: '2026-11-26T03:00:00Z',
  extension: null,
  rework_count: 0,
  closed_at: null,
  priority: 0,
  overdue: false,
  on_hold: false,
  ...change,
})

const template = (id: string, title: string, change: object = {}) => ({
  id,
  command: 'note',
  title,
  text: `${title}的话`,
  class_code: null,
  made_by: 'u1',
  made_at: '2026-11-22T01:00:00Z',
  ...change,
})

const appeal = (change: object = {}) => ({
  id: 'a1',
  case_id: 'c1',
  unit_id: 'n1',
  due_at: '2026-11-26T03:00:00Z',
  reason: '连续暴雨',
  filed_by: 'u2',
  filed_at: '2026-11-26T05:00:00Z',
  exempt: null,
  ...change,
})

fakeServer(() => ({
  '/units': () => Response.json({ items: [{ id: 'n1', code: '01', name: '县水利局', class: 'A' }] }),
  '/names': () => Response.json({ users: [{ id: 'u2', name: '李强' }], devices: [] }),
  '/cases': () => Response.json({ items: [], next: null }),
  '/cases/c1': () => Response.json(aCase()),
  '/cases/c1/timeline': () => Response.json({ items: [] }),
  '/cases/c1/clocks': () => Response.json({ pauses: [], stages: [] }),
  '/evidence': () => Response.json({ items: [] }),
}))

const click = (name: string) => one(name)?.click()

/** What was sent to a path by other methods than GET. */
function sentTo(path: string, answer: () => Response): unknown[] {
  const sent: unknown[] = []
  const before = answers[path]
  answers[path] = (asked) => {
    if (asked.method === 'GET' && before) return before(asked)
    sent.push(asked.body ?? asked.method)
    return answer()
  }
  return sent
}

it('a unit is urged in the usual words or in kept ones, and what was said before stands there', async () => {
  answers['/workbench/urgings'] = ({ query }) =>
    Response.json({
      items: [
        {
          id: 'r1',
          case_id: query.get('case_id'),
          unit_id: 'n1',
          kind: 'letter_draft',
          due_at: '2026-11-26T03:00:00Z',
          used_percent: 83,
          text: '督办函（草稿）\n县水利局：',
          urged_by: null,
          urged_at: '2026-11-26T01:00:00Z',
        },
      ],
    })
  answers['/workbench/templates'] = () =>
    Response.json({
      items: [template('t1', '请当日办结'), template('t2', '井盖', { class_code: '0101' }), template('t3', '挂账', { command: 'resume' })],
    })
  const sent = sentTo('/cases/c1/urgings', () => Response.json({}, { status: 201 }))
  go({ case: 'c1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('urging')).toContain('督办函草稿'))
  expect(text('urging')).toContain('系统，已用时限 83%')
  click('urge')
  await vi.waitFor(() => expect(one('urge-send')).not.toBeNull())
  click('urge-send')
  await vi.waitFor(() => expect(one('urge-send')).toBeNull())
  click('urge')
  await vi.waitFor(() => expect(one('template')).not.toBeNull())
  expect(text('template')).toBe('选用常用语…请当日办结')
  choose('template', '0')
  await vi.waitFor(() => expect(one<HTMLTextAreaElement>('reason')?.value).toBe('请当日办结的话'))
  click('urge-send')
  await vi.waitFor(() => expect(sent).toEqual([{}, { text: '请当日办结的话' }]))
})

it('a refused urging is shown, and who may not urge is not offered it', async () => {
  sentTo('/cases/c1/urgings', () => problem(409, 'stage_forbids', '当前环节不能这样办理'))
  go({ case: 'c1' })
  openAs('supervisor')
  await vi.waitFor(() => expect(one('urge')).not.toBeNull())
  click('urge')
  await vi.waitFor(() => expect(one('urge-send')).not.toBeNull())
  click('urge-send')
  await vi.waitFor(() => expect(text('urgings')).toContain('当前环节不能这样办理'))
})

it('a liaison appeals once against being late, with a reason', async () => {
  answers['/cases/c1'] = () => Response.json(aCase({ overdue: true }))
  const sent = sentTo('/cases/c1/appeals', () => {
    answers['/workbench/appeals'] = () => Response.json({ items: [appeal()] })
    return Response.json(appeal(), { status: 201 })
  })
  go({ case: 'c1' })
  openAs('liaison')
  await vi.waitFor(() => expect(one('appeal-file')).not.toBeNull())
  expect(one('urge')).toBeNull()
  click('appeal-file')
  await vi.waitFor(() => expect(one('appeal-send')).not.toBeNull())
  click('appeal-send')
  await vi.waitFor(() => expect(text('appeal')).toContain('请填写理由'))
  write('reason', '连续暴雨')
  click('appeal-send')
  await vi.waitFor(() => expect(text('appeal')).toContain('等待指挥中心决定'))
  expect(one('appeal-file')).toBeNull()
  expect(one('exempt')).toBeNull()
  expect(sent).toEqual([{ reason: '连续暴雨' }])
})

it('a dispatcher decides an appeal only with words, and the decision stands at the case', async () => {
  answers['/cases/c1'] = () => Response.json(aCase({ state: 'closed', timely: false }))
  answers['/workbench/appeals'] = ({ query }) => Response.json({ items: query.get('case_id') === 'c1' ? [appeal()] : [] })
  const sent = sentTo('/workbench/appeals/a1/decision', () => {
    const decided = appeal({ exempt: true, words: '属实', decided_by: 'u1', decided_at: '2026-11-26T06:00:00Z' })
    answers['/workbench/appeals'] = () => Response.json({ items: [decided] })
    return Response.json(decided)
  })
  go({ case: 'c1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('appeal')).toContain('连续暴雨'))
  expect(text('appeal')).toContain('李强')
  click('exempt')
  await vi.waitFor(() => expect(text('appeal')).toContain('请写明决定的理由'))
  write('reason', '属实')
  click('exempt')
  await vi.waitFor(() => expect(text('appeal-words')).toContain('属实（张敏'))
  expect(text('appeal')).toContain('超期不计入考核')
  expect(sent).toEqual([{ exempt: true, words: '属实' }])
})

it('appeals that wait are listed, and one that was decided goes', async () => {
  const asked: (string | null)[] = []
  answers['/workbench/appeals'] = ({ query }) => {
    asked.push(query.get('open'))
    return Response.json({ items: [appeal(), appeal({ id: 'a2', case_id: 'c2', reason: '停水改期' })] })
  }
  const sent = sentTo('/workbench/appeals/a1/decision', () => Response.json(appeal({ exempt: false })))
  go(onPage('urging', { filter: 'appeals' }))
  openAs('dispatcher')
  await vi.waitFor(() => expect(all('open-appeal')).toHaveLength(2))
  expect(asked).toEqual(['true'])
  write('reason', '雨停后有两天')
  one('not-exempt')?.click()
  await vi.waitFor(() => expect(all('open-appeal')).toHaveLength(1))
  expect(text('open-appeal')).toContain('停水改期')
  expect(sent).toEqual([{ exempt: false, words: '雨停后有两天' }])
})

it('a case in time has no appeal', async () => {
  go({ case: 'c1' })
  openAs('liaison')
  await vi.waitFor(() => expect(text('detail')).toContain('路面破损'))
  expect(one('appeal')).toBeNull()
})

it('a case is taken in hand and let go from its detail', async () => {
  let claims: object[] = []
  answers['/workbench/claims'] = () => Response.json({ items: claims })
  answers['/cases/c1/claim'] = ({ method }) => {
    claims = method === 'PUT' ? [{ case_id: 'c1', claimed_by: 'u1', name: '张敏', claimed_at: '2026-11-26T01:00:00Z' }] : []
    return method === 'PUT' ? Response.json(claims[0]) : new Response(null, { status: 204 })
  }
  go({ case: 'c1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('claim-take')).not.toBeNull())
  click('claim-take')
  await vi.waitFor(() => expect(text('claim')).toContain('张敏 认领，09:00'))
  click('claim-drop')
  await vi.waitFor(() => expect(one('claim-take')).not.toBeNull())
  answers['/cases/c1/claim'] = () => problem(409, 'case_claimed', '案件已被他人认领', '李强')
  click('claim-take')
  await vi.waitFor(() => expect(text('detail')).toContain('案件已被他人认领'))
})

it('what is due today is told by what the unit usually needs, and nothing is said without a past', async () => {
  const due = (n: number, change: object) => ({ case: aCase({ id: `c${n}`, number: `2026-${n}` }), left_s: 3600, past_cases: 2, ...change })
  answers['/workbench/due-today'] = () =>
    Response.json({
      items: [
        due(1, { usual_s: 14_400, basis: 'class', past_cases: 8, likely_late: true }),
        due(2, { usual_s: 1800, basis: 'unit', past_cases: 9, likely_late: false }),
        due(3, { usual_s: null, basis: null, likely_late: null }),
      ],
    })
  go(onPage('urging'))
  openAs('dispatcher')
  await vi.waitFor(() => expect(all('due-row')).toHaveLength(3))
  await vi.waitFor(() => expect(text('due')).toContain('县水利局'))
  const [late, calm, unsaid] = all('due-row')
  expect(late?.textContent).toContain('可能超期1 时4 时（同类 8 件')
  expect(calm?.textContent).toContain('来得及')
  expect(calm?.textContent).toContain('该单位 9 件')
  expect(unsaid?.textContent).toContain('无法判断')
  expect(unsaid?.textContent).toContain('只有 2 件')
  expect(all('due-row').map((row) => row.className)).toEqual(['due-late-row', 'due-calm-row', 'due-unsaid-row'])
  expect(text('summary')).toContain('可能超期 1 件')
})

it('words are kept for a command and forgotten, and wrong ones are not sent', async () => {
  let kept = [template('t1', '请当日办结')]
  answers['/workbench/templates'] = () => Response.json({ items: kept })
  const sent = sentTo('/workbench/templates', () => {
    kept = [...kept, template('t2', '等苗木', { command: 'request_hold', class_code: '0501' })]
    return Response.json(kept[1], { status: 201 })
  })
  answers['/workbench/templates/t1'] = ({ method }) => {
    sent.push(method)
    kept = kept.slice(1)
    return new Response(null, { status: 204 })
  }
  const submit = () => one('template-form')?.dispatchEvent(new Event('submit'))
  go(onPage('urging', { filter: 'words' }))
  openAs('admin')
  await vi.waitFor(() => expect(all('template-row')).toHaveLength(1))
  submit()
  await vi.waitFor(() => expect(text('template-form')).toContain('请填写名称'))
  choose('template-command', 'request_hold')
  write('template-title', '等苗木')
  write('template-text', '苗木还没有到')
  write('template-code', '绿化')
  submit()
  await vi.waitFor(() => expect(text('template-form')).toContain('类别写小类代码'))
  write('template-code', '0501')
  submit()
  await vi.waitFor(() => expect(all('template-row')).toHaveLength(2))
  await vi.waitFor(() => expect(one('template-drop')?.getAttribute('aria-disabled')).toBe('false'))
  click('template-drop')
  await vi.waitFor(() => expect(all('template-row')).toHaveLength(1))
  expect(sent).toEqual([{ command: 'request_hold', title: '等苗木', text: '苗木还没有到', class_code: '0501' }, 'DELETE'])
})
