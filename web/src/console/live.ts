import { onBeforeUnmount, onMounted } from 'vue'

const EVERY = 15_000

/** Asks again every 15 s while the page can be seen, and at once when it is seen again. */
export function useLive(again: () => void): void {
  const seen = () => document.visibilityState === 'visible'
  const act = () => seen() && again()
  let timer: ReturnType<typeof setInterval>
  onMounted(() => {
    timer = setInterval(act, EVERY)
    document.addEventListener('visibilitychange', act)
  })
  onBeforeUnmount(() => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', act)
  })
}
