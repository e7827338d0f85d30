import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';

/**
 * The page is served with `style-src 'self'`, so no library may add a <style> element at run time.
 * Two of ours would, and both are mended here, so that the policy needs no exception:
 *  - sonner carries its stylesheet as a string and inserts it when imported; we import the file it
 *    ships beside (dist/styles.css) and drop the call.
 *  - Radix dialogs lock scrolling through react-style-singleton; lib/style-singleton.ts does the
 *    same with a constructed stylesheet, which the policy allows.
 */
export function noRuntimeStyles(): Plugin {
  return {
    name: 'no-runtime-styles',
    enforce: 'pre',
    config: () => ({
      resolve: {
        alias: [
          {
            find: /^react-style-singleton$/,
            replacement: fileURLToPath(new URL('../src/lib/style-singleton.ts', import.meta.url)),
          },
        ],
      },
      // Pre-bundling would swallow the import before transform sees it.
      optimizeDeps: { exclude: ['sonner'] },
    }),
    transform(code, id) {
      if (!/\/sonner\/dist\/index\.mjs$/.test(id.split('?')[0] ?? '')) return null;
      const without = code.replace(/^__insertCSS\(".*"\);?$/m, '');
      if (without === code) this.error('sonner no longer inserts its styles the way this plugin expects');
      return { code: without, map: null };
    },
  };
}
