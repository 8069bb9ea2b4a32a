import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [
    {
      name: 'markdown as text',
      transform: (text, file) =>
        file.endsWith('.md') ? { code: `export default ${JSON.stringify(text)}`, map: null } : undefined,
    },
  ],
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    benchmark: { include: ['test/**/*.bench.ts'] },
    globalSetup: ['test/support/build.ts'],
    setupFiles: ['test/support/environment.ts'],
    // Every pseudo-terminal is a process of its own beside these.
    maxWorkers: 2,
    // Above the 15 s of waitFor, whose message shows the screen.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    coverage: {
      provider: 'v8',
      include: ['source/**'],
      reporter: ['text', 'html'],
      // Held by `npm run coverage`: what the chip decides, its tests have seen decided both ways.
      thresholds: { 'source/vtd/**': { branches: 95 } },
    },
  },
});
