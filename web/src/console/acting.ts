import { reactive } from 'vue'
import { shown, type ApiError } from '../lib/problem'

/** What a person does on a page, one at a time: which it is while it is on its way, and why it failed. */
export function useActing() {
  const acting = reactive({
    /** The name of what is on its way. */
    busy: '',
    error: null as ApiError | null,

    /** Whether it was done; while another is on its way, nothing is. */
    async act(name: string, what: () => Promise<unknown>): Promise<boolean> {
      if (acting.busy !== '') return false
      acting.busy = name
      acting.error = null
      try {
        await what()
        return true
      } catch (failure) {
        acting.error = shown(failure)
        return false
      } finally {
        acting.busy = ''
      }
    },
  })
  return acting
}
