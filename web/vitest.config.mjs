// @ts-check
import { mergeConfig } from 'vitest/config'
import base from './vite.config.mjs'

export default mergeConfig(base, {
  test: {
    environment: 'happy-dom',
    include: ['**/*.test.ts'],
    restoreMocks: true,
  },
})
