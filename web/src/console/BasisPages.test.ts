import { expect, it, vi } from 'vitest'
import type { CaseClass, Responsibility } from '../lib/loop'
import type { Role } from '../lib/types'
import { go, onPage, parseRoute } from './route'
import { all, answers, choose, fakeServer, one, openAs, problem, text, write } from './testPage'

const aClass = (code: string, change: Partial<CaseClass> = {}): CaseClass => ({
  kind: 'event',
  scheme_version: 'GB/T30428.2-2013',
  code,
  big_name: '街面秩序',
  name: `小类 ${code}`,
  conditions: [
    { number: 1, filing: '占用人行道', closing: '清理完毕', limit: { kind: 'urgent_hour', value: 2 }, remark: '' },
    { number: 2, filing: '占用车行道', closing: '', limit: { kind: 'work_day', value: 1 }, remark: '制止' },
  ],
  ...change,
})

const row = (id: string, change: Partial<Responsibility> = {}): Responsibility => ({
  id,
  scope: { area: '431221100', class_kind: 'event', class_code: '04', hours: { from_min: 1080, until_min: 60 } },
  unit_id: 'n1',
  ruling: false,
  reason: '会议纪要〔2026〕5号',
  set_by: 'u2',
  set_at: '2026-11-20T02:00:00Z',
  ended_at: null,
  ...change,
})

const GRID = '431221100001001'

fakeServer(() => ({
  '/units': () =>
    Response.json({ items: [{ id: 'n1', code: 'A01', name: '县水利局', class: 'A' }, { id: 'n2', code: 'A02', name: '中方镇', class: 'A' }] }),
  '/names': () => Response.json({ users: [{ id: 'u2', name: '李强' }], devices: [] }),
  '/cases': () => Response.json({ items: [], next: null }),
  '/catalogue/versions': () =>
    Response.json({
      in_force: 1,
      items: [
        { version: 1, source: '市标准 2026', imported_by: 'u2', imported_at: '2026-11-20T02:00:00Z' },
        { version: 0, source: '国家标准分类', imported_by: null, imported_at: null },
      ],
    }),
  '/catalogue/classes': () => Response.json({ version: 1, items: [aClass('0405'), aClass('0406')], next: null }),
  '/grids': () => Response.json({ items: [{ code: GRID, name: '迎丰社区第一网格' }], next: null }),
  '/responsibilities': () => Response.json({ items: [row('r1'), row('r2', { ruling: true, unit_id: 'n2' })], next: null }),
  '/responsibilities/doubts': () =>
    Response.json({
      items: [
        { standing: 'unset', class_code: '1101', grids: [], units: [], cases: 9 },
        { standing: 'several', class_code: '0405', grids: [GRID], units: ['n1', 'n2'], cases: 4 },
      ],
      total: 2,
    }),
  '/responsibilities/bounces': () =>
    Response.json({ items: [{ from: 'n1', to: 'n2', times: 5 }, { from: 'n2', to: 'n1', times: 2 }] }),
}))

const submit = (form: string) => one(form)?.dispatchEvent(new Event('submit'))

async function open(page: 'catalogue' | 'map', filter: string, role: Role): Promise<void> {
  go(onPage(page, { filter }))
  openAs(role)
  await vi.waitFor(() => expect(one('summary')?.textContent).not.toBe(''))
}

/** A file as the browser would hand it over. */
function pickFile(name: string, content: string): void {
  const field = one<HTMLInputElement>('file')
  if (field === null) throw new Error('no field for a file')
  Object.defineProperty(field, 'files', { value: [new File([content], name)], configurable: true })
  field.dispatchEvent(new Event('change'))
}

it('each class stands with all its conditions and their limits, and the version says where it is from', async () => {
  await open('catalogue', '', 'officer')
  await vi.waitFor(() => expect(all('class')).toHaveLength(2))
  expect(all('class')[0]?.textContent).toContain('占用车行道')
  expect(all('class')[0]?.textContent).toContain('2 紧急工作时')
  expect(all('class')[0]?.textContent).toContain('1 工作日制止')
  expect(text('version-note')).toContain('第 1 版，现行。来源：市标准 2026')
  expect(one('import')).toBeNull()
})

it('the version, the kind and the words are asked of the server', async () => {
  const asked: string[] = []
  answers['/catalogue/classes'] = ({ query }) => {
    asked.push(query.toString())
    return Response.json({ version: 0, items: [], next: null })
  }
  await open('catalogue', '', 'dispatcher')
  await vi.waitFor(() => expect(one('version')).not.toBeNull())
  choose('version', '0')
  choose('kind', 'component')
  write('q', '井盖')
  one('find')?.closest('form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(asked.at(-1)).toContain('kind=component&version=0&q=%E4%BA%95%E7%9B%96'))
  expect(text('version-note')).toContain('只供查阅')
  await vi.waitFor(() => expect(text('empty')).toContain('“井盖”'))
  expect(parseRoute(location.hash)).toMatchObject({ version: '0', filter: 'component' })
})

it('a table with errors is refused with the row and the column of each', async () => {
  answers['/catalogue/import'] = () =>
    Response.json(
      {
        type: '/problems/table_invalid',
        title: '文件内容有误，未导入任何数据',
        status: 422,
        code: 'table_invalid',
        faults: [
          { sheet: '事件', row: 7, column: '处置时限', problem: '“很快”不是时限' },
          { row: 0, column: '', problem: '没有一个小类' },
        ],
      },
      { status: 422, headers: { 'content-type': 'application/problem+json' } },
    )
  await open('catalogue', '', 'admin')
  one('import')?.click()
  await vi.waitFor(() => expect(one('import-form')).not.toBeNull())
  submit('import-form')
  await vi.waitFor(() => expect(text('import-form')).toContain('请先选择文件'))
  pickFile('标准.docx', 'x')
  submit('import-form')
  await vi.waitFor(() => expect(text('import-form')).toContain('只能导入 .xlsx、.csv 文件'))
  pickFile('标准.csv', 'x')
  submit('import-form')
  await vi.waitFor(() => expect(text('faults')).toContain('事件 · 第 7 行 · 处置时限“很快”不是时限'))
  expect(text('faults')).toContain('整个文件没有一个小类')
})

it('an imported table is sent with its own type and is in force at once', async () => {
  const sent: unknown[] = []
  answers['/catalogue/import'] = ({ method, body, headers, query }) => {
    sent.push([method, body instanceof Blob, headers['Content-Type'], query.get('source')])
    return Response.json({ version: 2, classes: 150, conditions: 519 })
  }
  await open('catalogue', '', 'admin')
  one('import')?.click()
  await vi.waitFor(() => expect(one('import-form')).not.toBeNull())
  pickFile('标准.CSV', 'x')
  submit('import-form')
  await vi.waitFor(() => expect(text('done')).toContain('第 2 版，即时生效：150 个小类，519 条立案条件'))
  expect(sent).toEqual([['POST', true, 'text/csv', '标准.CSV']])
})

it('the map of responsibilities is for everybody to read, and its doubts for the Centre', async () => {
  await open('map', '', 'liaison')
  await vi.waitFor(() => expect(all('row')).toHaveLength(2))
  expect(all('row')[0]?.textContent).toContain('区域 431221100')
  expect(all('row')[0]?.textContent).toContain('事件 04')
  expect(all('row')[0]?.textContent).toContain('18:00–01:00')
  expect(all('row')[1]?.textContent).toContain('中方镇裁决')
  expect(text('view')).not.toContain('空白与重叠')
  expect(one('enter')).toBeNull()
  expect(one('end')).toBeNull()
})

it('a row is entered whole or not at all, and ended with a second click', async () => {
  const sent: unknown[] = []
  answers['/responsibilities'] = ({ method, body }) => {
    if (method === 'POST') sent.push(body)
    return Response.json({ items: [row('r1')], next: null })
  }
  answers['/responsibilities/r1/end'] = ({ method }) => {
    sent.push(method)
    return new Response(null, { status: 204 })
  }
  await open('map', '', 'dispatcher')
  one('enter')?.click()
  await vi.waitFor(() => expect(text('form-unit')).toContain('县水利局'))
  submit('responsibility-form')
  await vi.waitFor(() => expect(text('responsibility-form')).toContain('请选择责任单位'))
  choose('form-unit', 'n2')
  write('area', '4312')
  submit('responsibility-form')
  await vi.waitFor(() => expect(text('responsibility-form')).toContain('6–16 位'))
  write('area', '431221100')
  write('class-code', '0405')
  submit('responsibility-form')
  await vi.waitFor(() => expect(text('responsibility-form')).toContain('要选部件或事件'))
  choose('class-kind', 'event')
  write('hours', '晚上')
  submit('responsibility-form')
  await vi.waitFor(() => expect(text('responsibility-form')).toContain('时段应如'))
  write('hours', '18:00-01:00')
  submit('responsibility-form')
  await vi.waitFor(() => expect(one('responsibility-form')).toBeNull())
  one('end')?.click()
  await vi.waitFor(() => expect(text('end')).toContain('确认终止'))
  one('end')?.click()
  await vi.waitFor(() => expect(sent).toHaveLength(2))
  expect(sent).toEqual([
    {
      scope: { area: '431221100', class_kind: 'event', class_code: '0405', hours: { from_min: 1080, until_min: 60 } },
      unit_id: 'n2',
      reason: '',
    },
    'POST',
  ])
})

it('who is responsible can be asked, and the answer gives its reason', async () => {
  answers['/responsibilities/suggestion'] = ({ query }) =>
    query.get('grid') === GRID
      ? Response.json({ standing: 'one', units: [{ id: 'n1', name: '县水利局' }], grids: [GRID], reason: '按先例由县水利局负责' })
      : problem(404, 'not_found', '找不到该记录')
  await open('map', '', 'dispatcher')
  one('ask')?.click()
  await vi.waitFor(() => expect(one('suggestion-form')).not.toBeNull())
  write('ask-grid', '123')
  write('ask-code', '0405')
  submit('suggestion-form')
  await vi.waitFor(() => expect(text('suggestion-form')).toContain('网格代码是 14–16 位数字'))
  write('ask-grid', GRID)
  submit('suggestion-form')
  await vi.waitFor(() => expect(text('answer')).toContain('唯一县水利局 按先例由县水利局负责'))
})

it('holes and overlaps are listed by their cases, and a ruling makes a precedent of one', async () => {
  const sent: unknown[] = []
  answers['/responsibilities/rulings'] = ({ body }) => {
    sent.push(body)
    return Response.json(row('r3', { ruling: true }))
  }
  await open('map', 'doubts', 'supervisor')
  await vi.waitFor(() => expect(all('doubt')).toHaveLength(2))
  await vi.waitFor(() => expect(all('doubt')[1]?.textContent).toContain('县水利局、中方镇'))
  expect(all('doubt')[0]?.textContent).toContain('不在任何网格内')
  // A ruling is about a grid: outside of all there is nothing to rule on.
  expect(all('rule')).toHaveLength(1)
  one('rule')?.click()
  await vi.waitFor(() => expect(text('form-unit')).toContain('中方镇（争议方）'))
  choose('form-unit', 'n2')
  choose('class-kind', 'event')
  submit('responsibility-form')
  await vi.waitFor(() => expect(text('responsibility-form')).toContain('请写明裁决的依据'))
  write('form-reason', '现场会商')
  submit('responsibility-form')
  await vi.waitFor(() => expect(one('responsibility-form')).toBeNull())
  expect(sent).toEqual([
    { scope: { area: GRID, class_kind: 'event', class_code: '0405', hours: null }, unit_id: 'n2', reason: '现场会商' },
  ])
  choose('standing', 'disputed')
  await vi.waitFor(() => expect(text('empty')).toContain('没有这种情形'))
})

it('units that hand cases on to each other are told apart from those that do not', async () => {
  await open('map', 'bounces', 'dispatcher')
  await vi.waitFor(() => expect(all('bounce')).toHaveLength(2))
  await vi.waitFor(() => expect(all('bounce')[0]?.textContent).toContain('县水利局中方镇互相推5'))
  expect(text('summary')).toContain('7 次')
  expect(document.querySelectorAll('.graph-line')).toHaveLength(2)
})

it('an imported map tells which grids overlap, and a wrong one which feature is wrong', async () => {
  let method = ''
  answers['/grids/map'] = (asked) => {
    method = `${asked.method} ${asked.headers['Content-Type']}`
    return Response.json({ grids: 2, overlaps: [{ a: GRID, b: '431221100001002', area_m2: 12_500 }] })
  }
  await open('map', 'grids', 'admin')
  await vi.waitFor(() => expect(all('grid')).toHaveLength(1))
  one('import')?.click()
  await vi.waitFor(() => expect(one('import-form')).not.toBeNull())
  pickFile('网格.geojson', '{}')
  submit('import-form')
  await vi.waitFor(() => expect(text('done')).toContain('已导入 2 个单元网格'))
  expect(text('overlaps')).toContain('1.25 公顷')
  expect(method).toBe('PUT application/geo+json')
  answers['/grids/map'] = () =>
    Response.json(
      { title: '文件内容有误，未导入任何数据', status: 422, code: 'table_invalid', faults: [{ row: 3, column: 'code', problem: '不是 14–16 位数字' }] },
      { status: 422, headers: { 'content-type': 'application/problem+json' } },
    )
  submit('import-form')
  await vi.waitFor(() => expect(text('faults')).toContain('第 3 行 · code不是 14–16 位数字'))
})

it('an empty map says what to do about it', async () => {
  answers['/responsibilities'] = () => Response.json({ items: [], next: null })
  await open('map', '', 'admin')
  await vi.waitFor(() => expect(text('empty')).toContain('责任表还是空的'))
  answers['/responsibilities'] = () => problem(503, 'x', '系统维护中')
  one('refresh')?.click()
  await vi.waitFor(() => expect(text('problem')).toContain('系统维护中'))
})

it('a code of a class is read with its name, and with both where it may be a component or an event', async () => {
  answers['/catalogue/classes'] = () =>
    Response.json({ items: [aClass('0405', { name: '店外经营' }), aClass('0405', { kind: 'component', name: '花钵' }), aClass('1101', { name: '乱堆' })], next: null })
  // What is known is kept for a while.
  vi.useFakeTimers({ now: Date.now() + 3_600_000, toFake: ['Date'] })
  try {
    await open('map', 'doubts', 'dispatcher')
    await vi.waitFor(() => expect(all('doubt')[1]?.textContent).toContain('0405 店外经营 / 花钵'))
    go({ filter: '' })
    await vi.waitFor(() => expect(all('row')[0]?.textContent).toContain('事件 04街面秩序'))
  } finally {
    vi.useRealTimers()
  }
})
