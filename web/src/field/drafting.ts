// What is kept of unfinished work at every step, so that a call, a crash or an empty battery costs nothing. It belongs
// to the person who began it: whoever takes over the device finds none of it, and it is there when they come back.

import { type Ref, type ShallowRef, computed, ref, shallowRef } from 'vue'
import { type Attempt, attempting } from './attempting'
import { type Photo, storageIsLow } from './camera'
import type { Clip } from './clip'
import { client, signal } from './field'
import { clipWords, full, isFull, saveWords } from './words'

export interface Drafting<T> {
  draft: ShallowRef<T>
  photos: ShallowRef<Photo[]>
  clip: ShallowRef<Clip | null>
  /** Something was there from before. */
  restored: Ref<boolean>
  /** The work is being saved. */
  busy: Ref<boolean>
  trouble: Ref<string>
  /** Saves the work: one attempt at a time, and `trouble` says why one failed. */
  attempt: Attempt
  taken(slot: string): Photo | undefined
  load(): Promise<void>
  keep(change: Partial<T>): Promise<void>
  /** Keeps a photo; false when it could not be kept, and `trouble` says why. */
  take(photo: Photo): Promise<boolean>
  /** Lets go of the photo of a place; false when that failed: it stays, and `trouble` says why. */
  drop(slot: string): Promise<boolean>
  /** Keeps a clip, in the place of the one before, or none; false when that failed, and `trouble` says why. */
  setClip(clip: Clip | null): Promise<boolean>
  /** Lets go of all; false when that failed, and `trouble` says why. */
  clear(): Promise<boolean>
  /** Its entries, for `ends` of an operation. */
  entries: string[]
}

export function drafting<T extends object>(person: string, name: string, fresh: () => T): Drafting<T> {
  const words = `${person}/${name}`
  // The photos apart, so that a word that is typed writes no megabytes.
  const pictures = `${person}/${name}/photos`
  // Apart again: a photo more must not write the clip anew.
  const film = `${person}/${name}/clip`
  const draft: ShallowRef<T> = shallowRef(fresh()) as ShallowRef<T>
  const photos = shallowRef<Photo[]>([])
  const clip = shallowRef<Clip | null>(null)
  const restored = ref(false)
  const { busy, trouble, attempt } = attempting(saveWords)
  const bySlot = computed(() => new Map(photos.value.map((photo) => [photo.slot, photo])))

  let last = Promise.resolve(true)
  /** One after the other, whatever became of the one before: each writes all photos, so it must know what that one left. */
  function inTurn(work: () => Promise<boolean>, wordsOf = saveWords): Promise<boolean> {
    // Now, not when its turn comes: what the one before failed of must stay to be read.
    trouble.value = ''
    last = last.then(work).catch((error: unknown) => {
      console.error(error)
      trouble.value = wordsOf(error)
      return false
    })
    return last
  }

  return {
    draft,
    photos,
    clip,
    restored,
    busy,
    trouble,
    attempt,
    entries: [words, pictures, film],
    taken: (slot) => bySlot.value.get(slot),
    async load() {
      const { store } = client()
      const [kept, taken] = [await store.draft<T>(words), await store.draft<Photo[]>(pictures)]
      draft.value = kept ?? fresh()
      photos.value = taken ?? []
      clip.value = await store.draft<Clip>(film)
      restored.value = kept !== null || photos.value.length > 0 || clip.value !== null
    },
    async keep(change) {
      // Whoever goes on with it knows that it is there.
      restored.value = false
      draft.value = { ...draft.value, ...change }
      await client().store.setDraft(words, draft.value).catch((error: unknown) => {
        console.error(error)
        trouble.value = saveWords(error)
      })
    },
    take: (photo) =>
      inTurn(async () => {
        if (await storageIsLow()) {
          trouble.value = full()
          return false
        }
        const all = [...photos.value.filter((one) => one.slot !== photo.slot), photo]
        await client().store.setDraft(pictures, all)
        photos.value = all
        restored.value = false
        signal('shot')
        return true
      }),
    drop: (slot) =>
      inTurn(async () => {
        const rest = photos.value.filter((one) => one.slot !== slot)
        await client().store.setDraft(pictures, rest)
        photos.value = rest
        return true
      }),
    setClip: (wanted) =>
      inTurn(
        async () => {
          // Saving the work writes the bytes once more before the draft's are let go.
          if (wanted !== null && (await storageIsLow(2 * wanted.blob.size))) {
            trouble.value = clipWords()
            return false
          }
          await client().store.setDraft(film, wanted)
          clip.value = wanted
          return true
        },
        (error) => (isFull(error) ? clipWords() : saveWords(error)),
      ),
    clear: () =>
      inTurn(async () => {
        for (const entry of [words, pictures, film]) await client().store.setDraft(entry, null)
        draft.value = fresh()
        photos.value = []
        clip.value = null
        restored.value = false
        return true
      }),
  }
}

/** The Enter key of a phone's keyboard ends what is typed in a line; it must not submit what is half done, for good. */
export function unlessTyped(event: KeyboardEvent): void {
  const field = event.target
  if (!(field instanceof HTMLInputElement) || event.isComposing) return
  event.preventDefault()
  field.blur()
}
