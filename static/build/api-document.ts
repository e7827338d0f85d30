import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';
import { parse } from 'yaml';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const swaggerUi = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

/**
 * The API's document and its browser, beside the pages:
 *   dist/openapi.json   docs/openapi.yaml, which stays the only source; nginx serves it as /api/v1/openapi.json
 *   dist/swagger-ui/    swagger-ui-dist's page, with an index and an initializer of our own, and amendments
 * Names without a hash, as nothing of it is cached; compressed here, as the script is 1.7 MB.
 */
export function apiDocument(): Plugin {
  return {
    name: 'api-document',
    apply: 'build',
    generateBundle() {
      const emit = (fileName: string, source: string | Uint8Array) => this.emitFile({ type: 'asset', fileName, source });
      emit('openapi.json', JSON.stringify(parse(readFileSync(here('../../docs/openapi.yaml'), 'utf8'))));

      const emitPage = (directory: string, name: string) => {
        const source = readFileSync(join(directory, name));
        emit(`swagger-ui/${name}`, source);
        if (/\.(js|css)$/.test(name)) emit(`swagger-ui/${name}.gz`, gzipSync(source, { level: 9 }));
      };
      for (const name of ['index.html', 'initializer.js', 'accessible.js', 'accessible.css']) emitPage(here('../swagger-ui'), name);
      for (const name of ['swagger-ui-bundle.js', 'swagger-ui-bundle.js.LICENSE.txt', 'swagger-ui.css', 'favicon-32x32.png', 'LICENSE', 'NOTICE'])
        emitPage(swaggerUi, name);
    },
  };
}
