import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

/** The module that the page's first code imports: the page itself. */
const START = /\/src\/app\/chat-start\.tsx$/;
/** As nginx sees it too (`gzip_min_length`). */
const NOT_WORTH_IT = 1024;

/**
 * What makes the page come sooner:
 *  - `index.html` names all that app/chat-start.tsx needs, so that it is fetched beside the first code, not after it.
 *  - dist/assets holds each file compressed too, which nginx (`gzip_static`) would else do for every reader.
 */
export function fastStart(): Plugin {
  return {
    name: 'fast-start',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler(html, { bundle, filename }) {
        if (!filename.endsWith('index.html')) return [];
        const chunks = Object.values(bundle ?? {}).filter((file) => file.type === 'chunk');
        const start = chunks.find(({ facadeModuleId }) => START.test(facadeModuleId ?? ''));
        if (start === undefined) throw new Error('The page has no chunk for chat-start.tsx.');
        return [start.fileName, ...start.imports].filter((name) => !html.includes(name)).map((name) => ({
          tag: 'link',
          attrs: { rel: 'modulepreload', crossorigin: true, href: `/${name}` },
          injectTo: 'head' as const,
        }));
      },
    },
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        for (const [fileName, file] of Object.entries(bundle)) {
          const source = file.type === 'chunk' ? file.code : file.source;
          if (!/^assets\/.*\.(js|css|svg)$/.test(fileName) || source.length < NOT_WORTH_IT) continue;
          this.emitFile({ type: 'asset', fileName: `${fileName}.gz`, source: gzipSync(source, { level: 9 }) });
        }
      },
    },
  };
}
