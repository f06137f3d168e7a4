// What a person asks for, one at a time: it is busy meanwhile, and if it fails, they hear so and read why.

import { ref } from 'vue'
import { signal } from './field'

/** While another is on its way, nothing is done. */
export type Attempt = (work: () => Promise<unknown>) => Promise<void>

/** `words` says what an error means to a person. */
export function attempting(words: (error: unknown) => string) {
  const busy = ref(false)
  const trouble = ref('')

  const attempt: Attempt = async (work) => {
    if (busy.value) return
    busy.value = true
    trouble.value = ''
    try {
      await work()
    } catch (error) {
      console.error(error)
      signal('wrong')
      trouble.value = words(error)
    } finally {
      busy.value = false
    }
  }

  return { busy, trouble, attempt }
}
