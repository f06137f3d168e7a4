import { nextTick, ref, toRaw, useTemplateRef } from 'vue'

/** The rows of a table that is edited in place: putting one in below another, taking one out, and taking that back. */
export function useEditedRows<T extends { name: string }>(rows: () => T[], blank: (above: T | undefined) => T) {
  const body = useTemplateRef<HTMLElement>('body')
  const removed = ref<{ at: number; name: string } | null>(null)
  let kept: T | null = null
  const keys = new WeakMap<object, number>()
  let made = 0

  async function insert(at: number, row: T): Promise<void> {
    rows().splice(at, 0, row)
    removed.value = null
    await nextTick()
    body.value?.querySelectorAll('tr')[at]?.querySelector<HTMLElement>('[data-name]')?.focus()
  }

  return {
    removed,
    /** Its own for as long as it is there: what is being typed into a field belongs to its row, wherever that moves. */
    keyOf(row: T): number {
      const raw = toRaw(row)
      if (!keys.has(raw)) keys.set(raw, made++)
      return keys.get(raw) ?? 0
    },
    add: (at: number) => insert(at + 1, blank(rows()[at])),
    remove(at: number): void {
      const [row] = rows().splice(at, 1)
      if (row === undefined) return
      kept = toRaw(row)
      removed.value = { at, name: row.name || '未写名称的一行' }
    },
    restore: async (): Promise<void> => {
      if (removed.value !== null && kept !== null) await insert(removed.value.at, kept)
    },
  }
}
