import type { Evidence } from '../lib/evidence'

/** A 100-megapixel canvas would take 400 MB; no screen here shows more than this. */
const LONGEST_SIDE = 4096

/** Draws the picture, turned upright by its EXIF. `false` when this browser cannot read the format. */
export async function drawImage(picture: Blob, canvas: HTMLCanvasElement): Promise<boolean> {
  let image: ImageBitmap
  try {
    image = await createImageBitmap(picture, { imageOrientation: 'from-image' })
  } catch {
    return false
  }
  const scale = Math.min(1, LONGEST_SIDE / Math.max(image.width, image.height))
  canvas.width = Math.round(image.width * scale)
  canvas.height = Math.round(image.height * scale)
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height)
  image.close()
  return true
}

const EXTENSIONS: Record<string, string> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
  'image/heic': 'heic',
  'video/mp4': 'mp4',
  'video/quicktime': 'mov',
  'video/3gpp': '3gp',
}

export const endingOf = (mediaType: string): string => EXTENSIONS[mediaType] ?? 'bin'

/** Named by its hash, so that a file that was passed on can still be checked against the record. */
export const fileName = (evidence: Evidence): string =>
  `${evidence.sha256}.${endingOf(evidence.facts?.media_type ?? evidence.media_type)}`
