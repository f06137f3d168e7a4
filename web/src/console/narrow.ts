import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue'

/** Whether the screen is so narrow that a detail covers the list, which then must not take focus. */
export function useNarrow(): Ref<boolean> {
  const narrow = ref(false)
  const query = window.matchMedia('(max-width: 68.6875em)')
  const follow = () => (narrow.value = query.matches)
  onMounted(() => {
    follow()
    query.addEventListener('change', follow)
  })
  onBeforeUnmount(() => query.removeEventListener('change', follow))
  return narrow
}
