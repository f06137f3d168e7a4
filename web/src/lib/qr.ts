// A text as a QR code that a page draws itself: its policy lets no picture in but the server's own.

import qrcode from 'qrcode-generator'

/** How many squares wide the white border is (ISO/IEC 18004). */
const QUIET = 4

export interface QrShape {
  /** Squares along a side, the border too. */
  side: number
  /** The dark squares as the `d` of an SVG path, a row at a time. */
  path: string
}

/** Level M, as on the printed papers: a scratch may cost 15% of it. */
export function qrOf(text: string): QrShape {
  const code = qrcode(0, 'M')
  code.addData(text)
  code.make()
  const count = code.getModuleCount()
  let path = ''
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < count; column += 1) {
      if (code.isDark(row, column)) path += `M${column + QUIET} ${row + QUIET}h1v1h-1z`
    }
  }
  return { side: count + 2 * QUIET, path }
}
