import { computed, ref, watchEffect, type Ref } from 'vue'

/** The entry of a queue to go on with: the one that stands where the open one stood, also once that is decided. */
export function useNext<Row>(list: { items: Row[] }, idOf: (row: Row) => string | null, open: () => string): Ref<string> {
  const place = ref(0)
  watchEffect(() => {
    const at = list.items.findIndex((row) => idOf(row) === open())
    if (at >= 0) place.value = at
  })
  return computed(() => {
    const others = list.items.filter((row) => idOf(row) !== open())
    const next = others[Math.min(place.value, others.length - 1)]
    return (next === undefined ? null : idOf(next)) ?? ''
  })
}
