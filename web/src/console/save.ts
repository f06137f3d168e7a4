/** Hands a file to the browser's downloads. */
export function saveAs(content: Blob, name: string): void {
  // As plain bytes: this URL belongs to our origin, and what was sent to us must never run in it.
  const url = URL.createObjectURL(content.slice(0, content.size, 'application/octet-stream'))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
