import { computed, onMounted, shallowReactive, shallowRef } from 'vue'
import type { Api } from '../lib/api'
import { isCentre } from '../lib/labels'
import type { CaseClass, ClassKind } from '../lib/loop'
import type { Page } from '../lib/types'
import { useLoading } from './loading'

const GOOD_FOR = 10 * 60_000

/** What the last question was answered, for the pages that come next; another user asks anew. */
let kept = { of: '', at: 0, names: new Map<string, string>() }

/** Who and what the ids stand for. Without an answer a piece of the id stands there: that says as much as is known. */
export function useNames(api: Api): { of: (id: string | null) => string } {
  const found = shallowReactive({ names: new Map<string, string>() })
  const user = api.user()
  if (user !== null && isCentre(user.role)) {
    if (kept.of === user.id && Date.now() - kept.at < GOOD_FOR) found.names = kept.names
    else {
      api.names().then(
        ({ users, devices }) => {
          found.names = new Map([...users, ...devices].map(({ id, name }) => [id, name]))
          kept = { of: user.id, at: Date.now(), names: found.names }
        },
        () => undefined,
      )
    }
  }
  return { of: (id) => (id === null ? '系统' : id === user?.id ? user.name : (found.names.get(id) ?? `…${id.slice(-6)}`)) }
}

/** The units, and what an id of theirs stands for. */
export function useUnits(api: Api) {
  const units = useLoading(api.units)
  const names = computed(() => new Map(units.value?.map((unit) => [unit.id, unit.name])))
  onMounted(units.load)
  return { units, of: (id: string): string => names.value.get(id) ?? `…${id.slice(-6)}` }
}

let classes: { at: number; read: Promise<CaseClass[]> } | null = null

async function allClasses(api: Api): Promise<CaseClass[]> {
  const all: CaseClass[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page: Page<CaseClass> = await api.classes(cursor === '' ? { limit: 200 } : { limit: 200, cursor })
    all.push(...page.items)
    cursor = page.next
  }
  return all
}

/** What a class's code means, or the beginning of one. A case does not say of which kind its class is: then both are
    named, where they differ. */
export function useClassNames(api: Api): {
  of: (code: string, kind?: ClassKind | null) => string
  /** Every code once, big classes before their small ones. */
  codes: () => [code: string, name: string][]
} {
  const known = shallowRef<CaseClass[]>([])
  if (classes === null || Date.now() - classes.at > GOOD_FOR) {
    classes = { at: Date.now(), read: allClasses(api) }
    classes.read.catch(() => (classes = null))
  }
  classes.read.then(
    (all) => (known.value = all),
    () => undefined,
  )
  const codes = computed((): [string, string][] => {
    const found = new Map<string, Set<string>>()
    const add = (code: string, name: string) => found.set(code, (found.get(code) ?? new Set()).add(name))
    for (const { code, name, big_name } of known.value) {
      add(code.slice(0, 2), big_name)
      add(code, name)
    }
    return [...found].map(([code, names]): [string, string] => [code, [...names].join(' / ')]).sort(([a], [b]) => (a < b ? -1 : 1))
  })
  return {
    codes: () => codes.value,
    of(code, kind = null) {
      if (code === '') return ''
      const ofKind = known.value.filter((item) => kind === null || item.kind === kind)
      const exact = ofKind.filter((item) => item.code === code).map(({ name }) => name)
      const names = exact.length > 0 ? exact : ofKind.filter((item) => item.code.startsWith(code)).map(({ big_name }) => big_name)
      return [...new Set(names)].join(' / ')
    },
  }
}
