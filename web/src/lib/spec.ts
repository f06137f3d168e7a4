// The shapes of the interface as api-spec/openapi.json has them. `npm run types` writes the file that this names; only
// types come from it, so pages and tests are built without it.

import type { components } from '../../generated/openapi'

export type Spec = components['schemas']
