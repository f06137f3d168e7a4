// Small pictures of evidence that a person looked at, among the bytes that the device keeps: the last so many, until
// somebody else's records are here.

import type { Tx } from './db'

const MOST = 200
/** In `meta`: their ids, the one that was looked at last first. */
const NAME = 'thumbnails'
const keyOf = (id: string): string => `thumbnail/${id}`

export const thumbnailIn = (tx: Tx, id: string): Promise<Blob | undefined> => tx.get<Blob>('blobs', keyOf(id))

export async function keepThumbnail(tx: Tx, id: string, picture: Blob): Promise<void> {
  const known = (await tx.get<string[]>('meta', NAME)) ?? []
  const all = [id, ...known.filter((one) => one !== id)]
  for (const old of all.slice(MOST)) await tx.delete('blobs', keyOf(old))
  await tx.put('meta', all.slice(0, MOST), NAME)
  await tx.put('blobs', picture, keyOf(id))
}

/** False when there was none. */
export async function dropThumbnails(tx: Tx): Promise<boolean> {
  const all = (await tx.get<string[]>('meta', NAME)) ?? []
  for (const id of all) await tx.delete('blobs', keyOf(id))
  await tx.delete('meta', NAME)
  return all.length > 0
}
