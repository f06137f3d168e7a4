import { positionText, priorityLabel } from '../lib/labels'
import { localTime } from '../lib/time'
import type { Case, TimelineEntry } from '../lib/types'

/** What the detail lists below the title, in the order in which it is asked for on the telephone. */
export function caseFields(
  found: Case,
  unitNames: Map<string, string>,
  timeline: TimelineEntry[] | null,
  className: (code: string) => string,
): [label: string, value: string][] {
  const rows: [string, string][] = [
    ['责任单位', found.unit_id === null ? '未指定' : (unitNames.get(found.unit_id) ?? found.unit_id)],
    ['截止时间', localTime(found.due_at)],
  ]
  const extension = extensionText(found.extension)
  if (extension !== '') rows.push(['延期', extension])
  rows.push(
    ['地址', found.address ?? '未填写'],
    ['坐标', positionText(found.position)],
    ['问题类别', found.class_code == null ? '未分类' : `${found.class_code} ${className(found.class_code)}`.trim()],
    ['上报时间', localTime(found.reported_at)],
    ['上报人', reporterName(found, timeline)],
  )
  if (found.closed_at !== null) rows.push(['结案时间', localTime(found.closed_at)])
  rows.push(['优先级', priorityLabel(found.priority)], ['版本', String(found.ver)])
  return rows
}

/** The case names its reporter by id only; the timeline, once it is here, knows the name. */
function reporterName(found: Case, timeline: TimelineEntry[] | null): string {
  return timeline?.find((entry) => entry.actor_id === found.reported_by)?.actor_name ?? found.reported_by
}

function extensionText(extension: Case['extension']): string {
  return extension === null ? '' : `申请至 ${localTime(extension.until)}，理由：${extension.reason}`
}
