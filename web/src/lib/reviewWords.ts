// Why an operation waits, in words that lead to a decision.

import { terms } from './language'
import { fieldLabel, opLabel, stateLabel } from './labels'
import type { Confidence, OpResult, OpStatus, Waiting } from './sync'

export interface Reason {
  /** A few words, for the list. */
  title: string
  /** What happened. */
  text: string
  /** What to do about it. */
  hint: string
}

const STATUSES = terms<OpStatus>({
  conflict: '冲突',
  held: '等待中',
  quarantined: '已隔离',
  applied: '已生效',
  merged: '已合并生效',
  superseded: '他人已完成',
  rejected: '未生效',
}, {
  conflict: 'Conflict',
  held: 'Waiting',
  quarantined: 'Set apart',
  applied: 'In effect',
  merged: 'Merged, in effect',
  superseded: 'Done by somebody else',
  rejected: 'Not in effect',
})

const TONES: Partial<Record<OpStatus, string>> = { conflict: 'bad', held: 'warn', quarantined: 'city' }

export const statusLabel = (status: string): string => STATUSES(status)
export const statusTone = (status: string): string => TONES[status as OpStatus] ?? 'ended'

export const isOpen = (result: OpResult): boolean => ['conflict', 'held', 'quarantined'].includes(result.status)

const keys = (result: OpResult, prefix: string): number =>
  (result.waiting ?? []).filter((key) => key.startsWith(prefix)).length

// What keeps a case open whose photos of before and after may be the same picture.
const DOUBTS: Record<string, Reason> = {
  uncompared: {
    title: '处置照片正在比对',
    text: '结案所用的处置前后照片刚刚传到，系统还在比对是否为同一张。',
    hint: '照片比对完成后会自动处理，一般只要几秒钟。',
  },
  undecided: {
    title: '处置前后照片疑似相同',
    text: '处置前和处置后的照片看起来是同一张，需要先由人认定，才能结案。',
    hint: '请先在「疑似复用」里查看这两张照片并作出认定，认定后会自动处理。',
  },
  reused: {
    title: '处置后照片已认定为重复使用',
    text: '经人认定，处置后的照片与处置前是同一张，不能作为结案依据。',
    hint: '请操作人到现场重新拍摄处置后的照片；新照片传到后会自动处理。',
  },
}

// `detail` is for programs: a stage, names of fields, the code before. Words that this page does not know stay as
// they came.
const REASONS: Record<string, (result: OpResult) => Reason> = {
  stage_moved: ({ detail }) =>
    detail === undefined
      ? {
          title: '案件已不归该单位',
          text: '这一步传到时，案件已转给其他单位，不再由操作人办理。',
          hint: '案件重新派给该单位后才能采纳；若已由他人办理，请选择不采纳。',
        }
      : {
          title: '案件已流转',
          text: `这一步传到时，他人已把案件推进到「${stateLabel(detail)}」，那一环节不能做这一步。`,
          hint: '案件现在的环节若允许这一步，可以采纳；若已无必要，请选择不采纳。',
        },
  field_changed: ({ detail }) => ({
    title: '同一内容两人都改了',
    text: `操作人离线期间，他人也修改了「${fieldLabels(detail)}」，两种写法不同。系统没有覆盖任何一方。`,
    hint: '采纳则以操作人的写法为准，不采纳则保留现在的内容。',
  }),
  dependency_missing: (result) => ({
    title: '前一步还没有传到',
    text: `这一步接在同一终端的另外 ${keys(result, 'op:') || 1} 步之后，前面的还没有传到服务器：可能仍在终端里，也可能已随终端数据丢失。`,
    hint: '前一步传到后会自动处理。请先在「设备同步」查看该终端；确认前一步已丢失，再在这里决定。',
  }),
  dependency_unsettled: (result) =>
    result.status === 'held'
      ? {
          title: '排在另一项之后',
          text: '这一步所依据的前一步也在等待处理。',
          hint: '请先处理前一步，这一步会随之自动处理。',
        }
      : {
          title: '前一步没有生效',
          text: '这一步所依据的前一步未能生效或未被采纳，所以没有自动执行。',
          hint: '请看这一步单独是否成立：成立则采纳，否则不采纳。',
        },
  evidence_missing: (result) => ({
    title: '照片或视频还没有传到',
    text: `结案必须有的 ${keys(result, 'evidence:') || 1} 件照片或视频还没有传到服务器。`,
    hint: '传到后会自动处理。请让操作人打开终端并连上网络，把文件传完。',
  }),
  photo_reuse_undecided: ({ detail }) => DOUBTS[detail ?? ''] ?? DOUBTS.undecided!,
  reauth: () => ({
    title: '需要操作人重新登录',
    text: '这一步是在登录失效之后做的，系统不能确认是操作人本人。',
    hint: '请操作人在这台终端上重新登录，登录后会自动处理；已核实是本人所为，也可以直接采纳。',
  }),
  op_unsupported: (result) => ({
    title: '服务器还不支持这种操作',
    text: `终端的版本比服务器新，服务器还不认识这种操作${unknownType(result)}。原文已完整保存。`,
    hint: '服务器升级后会自动处理，在此之前不能采纳。',
  }),
  device_revoked: () => ({
    title: '来自已注销的终端',
    text: '这一步是终端注销之后才传来的，所以单独存放，没有执行。',
    hint: '请向操作人核实确是本人所为，再采纳；核实不了则不采纳。',
  }),
  held_too_long: ({ detail }) => ({
    title: '等了超过 72 小时',
    text:
      detail === undefined || detail === ''
        ? '这一步等待超过 72 小时，转由人工决定。'
        : `这一步一直在等（${reasonOf({ op_id: null, status: 'held', code: detail }).title}），超过 72 小时仍没有等到，转由人工决定。`,
    hint: '采纳则不再等待，按现在的情况执行；不采纳则到此为止。',
  }),
  internal: () => ({
    title: '系统处理时出错',
    text: '服务器执行这一步时发生内部错误，所以单独存放。操作原文已完整保存，没有丢失。',
    hint: '请先把操作编号告知管理员；故障排除后采纳，系统会重新执行。',
  }),
  discarded: () => ({ title: '人工决定不采纳', text: '这一步经人工决定不采纳，没有生效。', hint: '' }),
}

function reasonOf(result: OpResult): Reason {
  const known = result.code === undefined ? undefined : REASONS[result.code]
  return (
    known?.(result) ?? {
      title: result.code ?? '等待人工处理',
      text: result.detail ?? '',
      hint: '',
    }
  )
}

/** Why it waits; of one that no longer does, what became of it. */
export function reason(waiting: Pick<Waiting, 'result'>): Reason {
  return reasonOf(waiting.result)
}

const fieldLabels = (detail: string | undefined): string => (detail ?? '').split(' ').map(fieldLabel).join('、')

function unknownType(result: OpResult): string {
  const [, type, version] = (result.waiting ?? []).find((key) => key.startsWith('type:'))?.split(':') ?? []
  return type === undefined ? '' : `（${opLabel(type)}，第 ${version} 版）`
}

/** Why an operation could not be applied: the server's `detail` as a person reads it. */
export function refusalDetail(code: string, detail: string | null): string | null {
  switch (code) {
    case 'stage_moved':
    case 'stage_forbids':
      return detail === null
        ? '案件已不由操作人的单位办理。这一步没有执行，仍在等待决定。'
        : `案件现在是「${stateLabel(detail)}」，这一环节不能做这一步。这一步没有执行，仍在等待决定。`
    case 'field_changed':
      return `有争议的内容：${fieldLabels(detail ?? undefined)}。`
    case 'op_unsupported':
      return '服务器升级之前不能采纳。这一步仍在等待。'
    case 'reauth':
      return '操作人的账号已停用或不存在，不能以其名义执行。'
    default:
      return detail
  }
}

const CONFIDENCES: Record<Confidence, { word: string; why: string; tone: string }> = {
  good: { word: '可信', why: '按终端开机后的计时推算，与终端时钟是否调过无关。', tone: 'unit' },
  aged: { word: '较旧', why: '终端后来重启过，按其时钟推算；时钟与服务器的差值与先前测得的一致。', tone: 'warn' },
  suspect: { word: '存疑', why: '终端的时钟可能被调过，时间无法核实，仅供参考。', tone: 'bad' },
}

export const confidence = (word: string): { word: string; why: string; tone: string } =>
  CONFIDENCES[word as Confidence] ?? { word, why: '', tone: 'ended' }

/** Why bytes are no operation. */
const RAW_REASONS: Record<string, string> = {
  op_malformed: '内容残缺或格式不对，无法识别成一步操作',
  nul_character: '文字中含有不允许的空字符',
  op_id_reused: '操作编号与先前收到的另一项相同，内容却不同',
}

export const rawReason = (code: string): string => RAW_REASONS[code] ?? code

/** What a decision came to, said to the one who made it. */
export function verdictText(result: OpResult, followers: number): string {
  const chain =
    followers === 0
      ? ''
      : result.status === 'rejected'
        ? `排在后面的 ${followers} 项也一并不采纳。`
        : `排在后面的 ${followers} 项已按顺序处理，如有新的分歧会列在清单里。`
  switch (result.status) {
    case 'applied':
    case 'merged':
      return `已采纳，这一步已生效。${chain}`
    case 'superseded':
      return `已采纳；同一步此前已有人完成，只记入办理过程。${chain}`
    case 'held':
      return `已采纳，但还要等：${reasonOf(result).title}。`
    case 'rejected':
      return `已决定不采纳，这一步没有生效，原文仍保存。${chain}`
    default:
      return statusLabel(result.status)
  }
}
