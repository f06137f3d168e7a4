// Words that reports often need (常用语): by the class of the catalogue, and what the person wrote last. What a tap writes
// into the record is what the person reads. Pure.

import { phrases } from '../lib/language'
import type { CaseClass } from './sync/client'

/** One a line. */
const KNOWN = phrases(
  {
    any: '影响通行\n存在安全隐患\n范围较大\n已多次出现',
    cover: '破损\n缺失，已设警示\n移位\n车辆碾压有响声',
    device: '设施破损\n缺失\n倾斜\n不能使用',
    clean: '保洁不到位\n满溢未清运\n异味明显',
    tree: '枯死\n倾倒\n枝条影响通行',
    rubbish: '成堆未清运\n有异味\n面积约 2 平方米',
    road: '坑洼积水\n路面开裂\n已设警示',
    water: '污水外溢\n正在漏水\n积水影响通行',
    heap: '占用人行道\n占用公共空间\n无人看管',
    noise: '油烟扰民\n噪音扰民\n多次劝导无效',
    ads: '数量较多\n破损，有坠落危险\n遮挡标志或信号灯',
    works: '未设围挡\n扬尘明显\n渣土撒漏\n夜间施工扰民',
    street: '占用人行道\n占用盲道\n堵塞出入口',
    cable: '线缆垂落\n离地过低',
    front: '外立面污损\n影响市容',
  },
  {
    any: 'In the way\nA danger\nOver a large area\nSeen several times',
    cover: 'Broken\nMissing, warning put up\nOut of place\nRattles under wheels',
    device: 'Broken\nMissing\nLeaning\nCan’t be used',
    clean: 'Not clean\nFull, not emptied\nIt smells',
    tree: 'Dead\nFallen\nBranches in the way',
    rubbish: 'In heaps, not taken away\nIt smells\nAbout 2 m²',
    road: 'Holes with water\nSurface cracked\nWarning put up',
    water: 'Sewage overflows\nWater is leaking now\nWater in the way',
    heap: 'On the pavement\nOn public ground\nNobody looks after it',
    noise: 'Cooking fumes\nNoise\nAsked to stop several times, in vain',
    ads: 'Many of them\nBroken, may fall\nHides a sign or a light',
    works: 'No hoarding\nMuch dust\nSpoil spilled\nNoise at night',
    street: 'On the pavement\nOn the path for the blind\nBlocks an entrance',
    cable: 'Cable hangs down\nToo low above the ground',
    front: 'Front is dirty\nUnsightly',
  },
)

type Known = Parameters<typeof KNOWN>[0]

/** The classes of each set, by the first digits of their codes (GB/T 30428.2, 5 and 6). */
const SETS: readonly (readonly [kind: CaseClass['kind'], codes: readonly string[], words: Known])[] = [
  ['component', ['0101', '0102', '0103', '0104', '0106', '0110', '0111', '0114', '0118', '0123', '0126'], 'cover'],
  ['component', ['0301', '0303', '0304', '0305'], 'clean'],
  ['component', ['0401', '0402'], 'tree'],
  ['component', ['01', '02', '03', '04', '05'], 'device'],
  ['event', ['0110', '0111', '0112', '0114', '0117', '0118', '0131', '0132', '0133', '0135', '0137'], 'rubbish'],
  ['event', ['0113', '0309', '0505'], 'road'],
  ['event', ['0125', '0126', '0130', '0501', '0503', '0504', '0506', '0507'], 'water'],
  ['event', ['0101', '0103', '0136', '0305', '0306'], 'heap'],
  ['event', ['0120', '0128', '0129', '0138', '0301'], 'noise'],
  ['event', ['0108', '0508'], 'cable'],
  ['event', ['0104', '0105', '0106', '0107', '0119'], 'front'],
  ['event', ['02'], 'ads'],
  ['event', ['03'], 'works'],
  ['event', ['04'], 'street'],
]

/** What fits the class, and what fits all. */
export function often(of: Pick<CaseClass, 'kind' | 'code'> | null): string[] {
  const set = of && SETS.find(([kind, codes]) => kind === of.kind && codes.some((code) => of.code.startsWith(code)))
  return [...(set ? KNOWN(set[2]).split('\n') : []), ...KNOWN('any').split('\n')]
}

/** Puts a phrase behind what is written, or takes it out again. */
export function toggled(words: string, phrase: string, and: string): string {
  const parts = words.split(/[；;]\s?/).filter((part) => part.trim() !== '')
  if (parts.some((part) => part.trim() === phrase)) return parts.filter((part) => part.trim() !== phrase).join(and)
  return [...parts, phrase].join(and)
}

/** So many of the person's own words are offered, each at most so long. */
const OWN = 5
const LONGEST = 24

/** The person's own last words, the newest first, after they wrote these. */
export function remembered(before: string[], words: string): string[] {
  const parts = words.split(/[；;\n]/).map((part) => part.trim())
  const fresh = parts.filter((part) => part !== '' && [...part].length <= LONGEST)
  return [...new Set([...fresh.reverse(), ...before])].slice(0, OWN)
}
