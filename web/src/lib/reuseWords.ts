// Photos that look the same where they should not, as people read it.

import type { Match, MatchSide } from './evidence'
import { duration } from './time'

interface Class {
  title: string
  text: string
  tone: string
}

const CLASSES: Record<Match['class'], Class> = {
  exact_reuse: { title: '同一文件用了两次', text: '两处提交的是同一个文件，每个字节都相同。', tone: 'bad' },
  near_reuse: { title: '疑似同一画面', text: '两处提交的文件不同，画面却很相似：可能是裁剪、压缩或翻拍的同一张照片。', tone: 'warn' },
  before_after_same: {
    title: '处置前后同图',
    text: '同一案件的处置前和处置后像是同一张照片。作出决定之前，该案不能结案。',
    tone: 'bad',
  },
}

export const matchClass = (match: Match): Class =>
  CLASSES[match.class] ?? { title: match.class, text: '', tone: 'ended' }

/** How alike, in words; pictures further apart than 40 bits count as different. */
export function alike(match: Match): string {
  if (match.distance === 0) return match.class === 'exact_reuse' ? '文件完全相同' : '画面特征完全相同'
  const word = match.distance <= 10 ? '极为相似' : match.distance <= 25 ? '很相似' : '比较相似'
  return `${word}（256 位特征中相差 ${match.distance} 位，超过 40 位不算相同）`
}

/** What each decision leads to. */
export const decisionEffect = (match: Match): string =>
  match.class === 'before_after_same'
    ? '认定复用：该案须补传新的处置后照片才能结案。情况正常：不再妨碍结案。决定不可更改，并写入存证日志。'
    : '系统不会自动处罚任何人。决定不可更改，并写入存证日志。'

export const decisionLabel = (decision: string): string =>
  decision === 'reuse' ? '已认定复用' : decision === 'legitimate' ? '情况正常' : decision

const EARTH_M = 6_371_000

function metres(a: { lat: number; lon: number }, b: { lat: number; lon: number }): number {
  const rad = (degrees: number) => (degrees * Math.PI) / 180
  const half =
    Math.sin(rad(b.lat - a.lat) / 2) ** 2 +
    Math.cos(rad(a.lat)) * Math.cos(rad(b.lat)) * Math.sin(rad(b.lon - a.lon) / 2) ** 2
  return 2 * EARTH_M * Math.asin(Math.sqrt(half))
}

/** How far apart two uses are in time and place, as far as that is known. */
export function apart(one: MatchSide, other: MatchSide): string {
  const found: string[] = []
  const gap = Math.abs(Date.parse(one.evidence.captured_at ?? '') - Date.parse(other.evidence.captured_at ?? ''))
  if (!Number.isNaN(gap)) found.push(`申报的拍摄时间相差 ${duration(gap)}`)
  const here = one.evidence.gps?.wgs84
  const there = other.evidence.gps?.wgs84
  if (here && there) {
    const far = metres(here, there)
    found.push(`位置相距 ${far < 1000 ? `${Math.round(far)} 米` : `${(far / 1000).toFixed(1)} 公里`}`)
  }
  return found.join('，')
}
