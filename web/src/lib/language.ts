// Words of a screen in both languages, side by side, so that neither can lack one: the compiler sees a missing key.

import { shallowRef } from 'vue'

export type Language = 'zh' | 'en'

/** What people read; Chinese unless they choose otherwise. */
export const language = shallowRef<Language>('zh')

/** The same, as HTTP and HTML name it. */
export const locale = (): string => (language.value === 'zh' ? 'zh-CN' : 'en')

type Values = Record<string, string | number>

/** The words of one screen. `{name}` in a phrase stands for the value of that name. */
export function phrases<K extends string>(zh: Record<K, string>, en: Record<NoInfer<K>, string>) {
  return (key: K, values: Values = {}): string =>
    (language.value === 'zh' ? zh : en)[key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

/** Words for what a server names. A newer one may name more: what is not known stays as it came. */
export function terms<K extends string>(zh: Record<K, string>, en: Record<NoInfer<K>, string>) {
  return (name: string): string => ((language.value === 'zh' ? zh : en) as Record<string, string>)[name] ?? name
}
