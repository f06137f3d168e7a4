import { computed, type ComputedRef } from 'vue'
import type { Template } from '../lib/workbench'
import type { Words } from './ReasonForm.vue'

/** Commands for which words are typed on these pages. */
export const TEMPLATE_COMMANDS = ['note', 'request_hold', 'decide_hold', 'resume'] as const

/** The words kept for a command, those of other classes left out. */
export const useWords = (
  templates: { value: Template[] | null },
  classCode: () => string | null,
): ComputedRef<(command: (typeof TEMPLATE_COMMANDS)[number]) => Words[]> =>
  computed(
    () => (command) =>
      (templates.value ?? []).filter((item) => item.command === command && (item.class_code == null || item.class_code === classCode())),
  )
