// Work that did not end as its person meant it: a conflict, or a refusal. Every screen says so until they have seen it.

import { computed } from 'vue'
import { client, looked, sent, session } from './field'
import type { SentRow } from './sync/store'
import type { Op, Status } from './sync/wire'

const MATTERS: readonly Status[] = ['conflict', 'rejected']

/** What became of each, for a later word about the same work is another matter. */
export const keysOf = (rows: SentRow[], userId: string): string[] =>
  rows.filter(({ status, raw }) => MATTERS.includes(status) && (JSON.parse(raw) as Op).actor === userId).map(({ op_id, status }) => `${op_id} ${status}`)

const mine = computed(() => keysOf(sent.value, session.value?.user.id ?? ''))
/** How much of it its person has not seen. */
export const unlooked = computed(() => mine.value.filter((key) => !looked.value.includes(key)).length)

/** The person has it before them. */
export async function look(): Promise<void> {
  if (unlooked.value === 0) return
  const all = sent.value.filter(({ status }) => MATTERS.includes(status)).map(({ op_id, status }) => `${op_id} ${status}`)
  // Of a colleague on the same device what they saw stays seen, and what is forgotten goes.
  await client().store.setMeta('looked', [...new Set([...looked.value.filter((key) => all.includes(key)), ...mine.value])])
}
