// The code of an enrolment, out of the address that a QR code holds.

/** The part of the Barcode Detection API that is used; no browser's types have it yet. */
export interface Detector {
  detect(source: HTMLVideoElement): Promise<{ rawValue: string }[]>
}

interface DetectorClass {
  new (options: { formats: string[] }): Detector
  getSupportedFormats(): Promise<string[]>
}

/** Null where the browser reads no QR codes; the system's camera opens the link there. */
export async function qrDetector(): Promise<Detector | null> {
  const { BarcodeDetector } = globalThis as { BarcodeDetector?: DetectorClass }
  if (BarcodeDetector === undefined) return null
  const formats = await BarcodeDetector.getSupportedFormats().catch((): string[] => [])
  return formats.includes('qr_code') ? new BarcodeDetector({ formats: ['qr_code'] }) : null
}

/** The code in `enrol/<code>`, which is a page's address behind its `#`; empty when there is none. */
export function codeOf(page: string): string {
  return /^enrol\/([A-Za-z0-9-]{1,64})$/.exec(page)?.[1] ?? ''
}

/** The code in what was scanned: the address with a code, or the code alone; null for anything else. */
export function scanned(text: string): string | null {
  const code = codeOf(text.slice(text.indexOf('#') + 1))
  if (code !== '') return code
  return /^[a-z0-9-]{8,64}$/.test(text) ? text : null
}
