// What the sync says to a person about why it waits or stops.

import { phrases } from '../../lib/language'

export const say = phrases(
  {
    refused: '服务器拒绝：{what}', because: '{what}（{detail}）', nothing: '没有收到应答', strange: '应答不是本系统发出的：{what}',
    crossed: '收到了另一问题的应答', too_old: '应用版本过旧，无法读取最新数据，请升级；已保存的工作仍会照常提交',
    changed: '服务器存下的内容与发出的不一致', later: '稍后重试', gap: '这一页与本机数据不衔接', anew: '重新读取全部数据',
    no_network: '网络不通', other_file: '服务器上的文件与本机不一致', photo_gone: '本机已没有这个文件',
    enrol: '此设备需要用新的一次性代码重新登记；已保存的工作仍在本机，不会丢失',
    sign_in: '登录已过期，请重新登录；已保存的工作仍会照常提交',
    six_digits: '请输入 6 位数字', too_easy: '太容易被猜到，请换一个',
  },
  {
    refused: 'The server refused: {what}', because: '{what} ({detail})', nothing: 'No answer came',
    strange: 'The answer is not from this system: {what}', crossed: 'The answer belongs to another question',
    too_old: 'This app is too old to read the newest data. Upgrade it; what was saved is still submitted',
    changed: 'What the server kept is not what was sent', later: 'Trying again later',
    gap: 'This page does not follow what is on the device', anew: 'Reading everything anew', no_network: 'No network',
    other_file: 'The file on the server differs from the one here', photo_gone: 'The file is no longer on this device',
    enrol: 'This device must be enrolled again with a new one-time code; what was saved is still here and not lost',
    sign_in: 'Your sign-in has expired. Sign in again; what was saved is still submitted',
    six_digits: 'Enter 6 digits', too_easy: 'Too easy to guess, choose another',
  },
)
