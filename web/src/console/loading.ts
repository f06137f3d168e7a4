import { onBeforeUnmount, reactive } from 'vue'
import { isAbort, shown, type ApiError } from '../lib/problem'

/** One thing a component reads from the server: there, on its way, or failed. Ends with its component. */
export function useLoading<T>(read: (signal: AbortSignal) => Promise<T>) {
  let call = new AbortController()
  const loading = reactive({
    value: null as T | null,
    busy: false,
    error: null as ApiError | null,
    loadedAt: null as number | null,

    async load(): Promise<void> {
      call.abort()
      const mine = (call = new AbortController())
      loading.busy = true
      loading.error = null
      try {
        const value = await read(mine.signal)
        if (mine.signal.aborted) return
        ;(loading.value as T | null) = value
        loading.loadedAt = Date.now()
      } catch (error) {
        if (!isAbort(error) && !mine.signal.aborted) loading.error = shown(error)
      } finally {
        if (mine === call) loading.busy = false
      }
    },
  })
  onBeforeUnmount(() => call.abort())
  return loading
}
