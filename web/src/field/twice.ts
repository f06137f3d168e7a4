// What can't be undone asks in place: the second tap does it.

import { onScopeDispose, ref } from 'vue'

/** For so long the question stands, milliseconds. */
const STANDS_MS = 5_000
/** A tap that follows at once is the same finger's. */
const SHAKE_MS = 400

export function useTwice(act: () => void) {
  const asked = ref(false)
  let since = 0
  let over: ReturnType<typeof setTimeout> | undefined
  const forget = (): void => {
    clearTimeout(over)
    asked.value = false
  }
  function tap(): void {
    if (!asked.value) {
      asked.value = true
      since = performance.now()
      over = setTimeout(forget, STANDS_MS)
    } else if (performance.now() - since >= SHAKE_MS) {
      forget()
      act()
    }
  }
  onScopeDispose(forget)
  return { asked, tap }
}
