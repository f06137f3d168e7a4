import { afterEach, expect, it, vi } from 'vitest'
import { codeOf, qrDetector, scanned } from './enrolLink'

afterEach(() => void vi.unstubAllGlobals())

it('finds the code in the address of the page and in what was scanned', () => {
  expect(codeOf('enrol/ab3d-ef7h')).toBe('ab3d-ef7h')
  expect(codeOf('enrol')).toBe('')
  expect(scanned('https://city.example/field/#enrol/ab3d-ef7h')).toBe('ab3d-ef7h')
  expect(scanned('ab3def7h')).toBe('ab3def7h')
})

it('takes nothing else for a code', () => {
  for (const text of ['', 'https://pay.example/', 'https://x/#enrol/<b>', 'enrol/a b', 'WIFI:T:WPA;S:x;;']) expect(scanned(text)).toBeNull()
})

it('scans only where the browser reads QR codes', async () => {
  expect(await qrDetector()).toBeNull()
  const detector = (formats: string[]) =>
    class {
      static getSupportedFormats = () => Promise.resolve(formats)
      detect = () => Promise.resolve([])
    }
  vi.stubGlobal('BarcodeDetector', detector(['ean_13']))
  expect(await qrDetector()).toBeNull()
  vi.stubGlobal('BarcodeDetector', detector(['qr_code']))
  expect(await qrDetector()).not.toBeNull()
})
