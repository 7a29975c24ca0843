/** How TypeDoc writes the API reference: `npm run docs`. Every export has a doc comment, and every link in one leads somewhere. */
import { fileURLToPath } from 'node:url'

const at = path => fileURLToPath(new URL(`../../${path}`, import.meta.url))

export default {
  name: 'razor-rx',
  entryPoints: [at('lib/index.ts'), at('lib/node/index.ts'), at('lib/testing/index.ts')],
  tsconfig: at('tsconfig.node.json'),
  out: at('docs/api'),
  readme: 'none',
  includeVersion: true,
  disableSources: true,
  excludePrivate: true,
  // What RxJS says of its Observable is its own to say.
  excludeExternals: true,
  requiredToBeDocumented: ['Variable', 'Function', 'Class', 'Interface', 'TypeAlias'],
  // Types that only help to compute others stay out: the signatures that use them are shown in full.
  validation: { invalidLink: true, notDocumented: true, notExported: false },
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
}
