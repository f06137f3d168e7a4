// Who has the screens of evidence on the handheld.

import { computed } from 'vue'
import type { Role } from '../lib/types'
import { session } from './field'

/** Whose word about a body camera's recording the server takes (`decidable` in src/clips/actions.rs). */
const CLAIM: Role[] = ['officer', 'liaison', 'dispatcher']

const is = (roles: Role[]) => computed(() => session.value !== null && roles.includes(session.value.user.role))

export const claimsClips = is(CLAIM)
/** The supervisor, too, who says how confidential it is. */
export const readsEvidence = is([...CLAIM, 'supervisor'])
