// What a piece of evidence is called and how it stands, in words.

import { evidenceRoleLabel } from '../lib/labels'
import { phrases } from '../lib/language'
import type { Piece } from './pieces'

const say = phrases(
  {
    photo: '照片', film: '录像', sound: '录音', document: '文书（笔录、附件）',
    stored: '已落库', waiting: '未上传', refused: '未能上传', own: '本机', camera: '执法记录仪', other: '其他设备',
  },
  {
    photo: 'Photo', film: 'Video', sound: 'Sound', document: 'Document (statement, attachment)',
    stored: 'On the server', waiting: 'To upload', refused: 'Not uploaded', own: 'This device', camera: 'Body camera', other: 'Another device',
  },
)

export const kindWords = ({ kind }: Piece): string => say(kind)

/** By the slot that a photo of this device was taken for, as its file is named, until the server says what it shows. */
export function pieceTitle(piece: Piece): string {
  const shows = piece.role === null ? piece.filename.split('-')[0] : evidenceRoleLabel(piece.role)
  return shows || kindWords(piece)
}

export function stateWords({ state }: Piece): { word: string; tone: 'good' | 'wait' | 'bad' } {
  return { word: say(state), tone: state === 'stored' ? 'good' : state === 'waiting' ? 'wait' : 'bad' }
}

/** What it was taken with: the file's own word, or whose device sent it. */
export function deviceWords(piece: Piece): string {
  if (piece.own) return say('own')
  return piece.of?.facts?.device || say(piece.role === 'recording' ? 'camera' : 'other')
}
