// A body camera's recording in words.

import type { Clip } from '../lib/clips'
import { lengthText } from '../lib/evidenceWords'
import { phrases } from '../lib/language'
import { localTime } from '../lib/time'
import { session } from './field'

const say = phrases(
  { when: '{at}，{length}', self: '本人佩戴', other: '本单位队员佩戴', unknown: '佩戴人不明' },
  { when: '{at}, {length}', self: 'worn by you', other: 'worn by a colleague', unknown: 'wearer unknown' },
)

export const lengthOf = ({ started_at, ended_at }: Clip): string => lengthText(Date.parse(ended_at) - Date.parse(started_at))

export const whenWords = (clip: Clip): string => say('when', { at: localTime(clip.started_at), length: lengthOf(clip) })

export function wearerWords({ user_id }: Clip): string {
  if (user_id === null) return say('unknown')
  return say(user_id === session.value?.user.id ? 'self' : 'other')
}
