import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { apiDocument } from './build/api-document.ts';
import { fastStart } from './build/fast-start.ts';
import { noRuntimeStyles } from './build/no-runtime-styles.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const OWN_MODULES = ['src/components/markdown/markdown.test.tsx', 'src/lib/other-tabs.test.ts'];

export default defineConfig(({ command }) => ({
  plugins: [noRuntimeStyles(), react(), tailwindcss(), apiDocument(), fastStart()],
  resolve: { alias: { '@': here('./src') } },
  // Holds the mock service worker alone, which has no place in a build.
  publicDir: command === 'serve' ? 'dev-public' : false,
  server: { host: '127.0.0.1' },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    // Two pages: nginx lets only signed-in readers load the first.
    rolldownOptions: { input: { index: here('./index.html'), 'sign-in': here('./sign-in.html') } },
  },
  test: {
    environment: 'jsdom',
    environmentOptions: { jsdom: { url: 'https://chat.test/chat' } },
    setupFiles: ['./src/testing/setup.ts'],
    restoreMocks: true,
    testTimeout: 120_000, // for what hangs
    // Files share what they import: loading it took half of the time. A file that replaces a module has its own.
    projects: [
      { extends: true, test: { name: 'shared', include: ['src/**/*.test.{ts,tsx}'], exclude: OWN_MODULES, isolate: false } },
      { extends: true, test: { name: 'own modules', include: OWN_MODULES } },
    ],
    coverage: {
      include: ['src/**/*.{ts,tsx}'],
      exclude: ['src/testing/**', 'src/**/*.d.ts', 'src/app/*-main.ts*', 'src/app/chat-start.tsx'],
      thresholds: { lines: 80 },
    },
  },
}));
