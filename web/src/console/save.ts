/** Hands a file to the browser's downloads. */
export function saveAs(content: Blob, name: string): void {
  // As plain bytes: this URL belongs to our origin, and what was sent to us must never run in it.
  const url = URL.createObjectURL(content.slice(0, content.size, 'application/octet-stream'))
  saveFrom(url, name)
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

/** The same for what the browser fetches by itself, however large it is. */
export function saveFrom(url: string, name: string): void {
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
}

/** The same for what a person may want to read and a program to check. */
export function saveJson(value: unknown, name: string): void {
  saveAs(new Blob([JSON.stringify(value, null, 2)]), name)
}
